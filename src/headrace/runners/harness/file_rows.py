"""A request for a model that takes files: element i of every BYTES tensor is one input of the model, and one output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Column, Output, Refused, Request, elements

MOST = 100_000  # predictions of one request


def rows_of(request: Request, model: str) -> list[dict[str, bytes]]:
    """One input of the model for each element. Raises Refused."""
    columns = {}
    for one in request.inputs:
        if one.datatype != "BYTES":
            raise Refused(
                f"inference input '{one.name}' data-type is '{one.datatype}', but model '{model}' expects 'BYTES'"
            )
        if math.prod(one.shape) > MOST:
            raise Refused(f"input '{one.name}' has more than {MOST} elements")
        columns[one.name] = elements(one, model)
    sizes = {len(column) for column in columns.values()}
    if len(sizes) > 1:
        raise Refused(f"the inputs of model '{model}' should have the same number of elements")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def outputs_of(facts: Facts, request: Request, rows: Sequence[Mapping[str, bytes]]) -> list[Output]:
    """Raises Refused for an output that was asked for and is not there."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(facts.output_types)
    if request.outputs is not None:
        for wanted in request.outputs:
            if wanted.name not in names:
                raise Refused(f"unexpected inference output '{wanted.name}' for model '{facts.name}'")
        names = [wanted.name for wanted in request.outputs]
    shape = (len(rows),)
    return [Output(Column(name, "BYTES", [row.get(name, b"") for row in rows]), shape) for name in names]
