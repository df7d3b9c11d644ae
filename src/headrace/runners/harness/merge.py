"""Requests that agree run together, along the first dimension, and get each its own part of the outputs back."""

from __future__ import annotations

import json
import math
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given
from headrace.runners.harness.arrays import Unfit, array_of, as_array, column_of
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Output, Refused, Reply, Request


def groups(requests: list[tuple[int, Request]], most_rows: int) -> list[list[int]]:
    """Places in `requests` that may run together, ordered by their first; each group of one or of `most_rows`."""
    if not most_rows or len(requests) == 1:
        return [[place] for place in range(len(requests))]
    found: list[list[int]] = []
    open_groups: dict[Any, tuple[list[int], int]] = {}
    for place, (_, request) in enumerate(requests):
        rows = rows_of(request)
        if not rows:
            found.append([place])
            continue
        key = signature(request)
        group, before = open_groups.get(key, (None, 0))
        if group is None or before + rows > most_rows:
            group, before = [], 0
            found.append(group)
        group.append(place)
        open_groups[key] = (group, before + rows)
    return found


def rows_of(request: Request) -> int:
    """The first dimension that all inputs have; 0 when they have none in common."""
    shape = request.inputs[0].shape
    rows = shape[0] if shape else 0
    for one in request.inputs:
        if not one.shape or one.shape[0] != rows:
            return 0
    return rows


def signature(request: Request) -> Any:
    """What has to be the same in all that run together: everything that the model can see, but the rows."""
    return (
        tuple([(one.name, one.datatype, one.shape[1:], _said(one.parameters)) for one in request.inputs]),
        None if request.outputs is None else tuple([(one.name, _said(one.parameters)) for one in request.outputs]),
        _said(request.parameters),
    )


def _said(parameters: dict[str, Any] | None) -> str | None:
    return json.dumps(parameters, sort_keys=True, default=repr) if parameters else None


def run_together(model: Adapter, facts: Facts, requests: list[Request]) -> list[Reply]:
    """Raises Refused, and whatever the model raises."""
    arrays, asked = arrays_of(facts, requests)
    return replies(facts, requests, given_of(model.run(arrays, asked)), asked.outputs)


def given_of(result: dict[str, Any] | Given) -> Given:
    return result if isinstance(result, Given) else Given(result)


def arrays_of(facts: Facts, requests: list[Request]) -> tuple[dict[str, Any], Asked]:
    """What the model is given. Raises Refused."""
    first = requests[0]
    arrays = {}
    for number, one in enumerate(first.inputs):
        if len(requests) == 1:
            arrays[one.name] = array_of([one], one.shape, facts.name)
        else:
            parts = [request.inputs[number] for request in requests]
            rows = sum([part.shape[0] for part in parts])
            arrays[one.name] = array_of(parts, (rows, *one.shape[1:]), facts.name)
    names = None if first.outputs is None else tuple([one.name for one in first.outputs])
    return arrays, Asked(names, first.parameters or {}, first.inputs, first.id, facts.name)


def replies(facts: Facts, requests: list[Request], given: Given, names: tuple[str, ...] | None) -> list[Reply]:
    """What the model gave, as each request is to see it."""
    wholes = [_whole(facts, given, name) for name in _order(facts, given.outputs, names)]
    if len(requests) == 1:
        return [Reply(requests[0], wholes, given.parameters)]
    outputs: list[list[Output]] = [[] for _ in requests]
    for whole in wholes:
        _spread(requests, outputs, whole)
    return [Reply(request, own, given.parameters) for request, own in zip(requests, outputs, strict=True)]


def _whole(facts: Facts, given: Given, name: str) -> Output:
    """One output, of all that ran together."""
    if name not in given.outputs:
        raise _missing(facts, name)
    array = as_array(given.outputs[name], name)
    declared = facts.output_types.get(name) or (given.datatypes.get(name) if given.datatypes else None)
    parameters = given.tensor_parameters.get(name) if given.tensor_parameters else None
    return Output(column_of(name, array, declared), array.shape, 0, array.size, parameters)


def _spread(requests: list[Request], outputs: list[list[Output]], whole: Output) -> None:
    """Each request gets its rows of one output."""
    column, shape = whole.column, whole.shape
    rows = [request.inputs[0].shape[0] for request in requests]
    if not shape or shape[0] != sum(rows):
        raise Unfit(f"output '{column.name}' has the shape {list(shape)} for a batch of {sum(rows)}")
    tail, size, start = shape[1:], math.prod(shape[1:]), 0
    for own, count in zip(outputs, rows, strict=True):
        stop = start + count * size
        own.append(Output(column, (count, *tail), start, stop, whole.parameters))
        start = stop


def _order(facts: Facts, given: dict[str, Any], names: tuple[str, ...] | None) -> Any:
    """As asked for, else as declared, else as the model gave them."""
    if names is not None:
        return names
    declared = facts.output_types
    if not declared:
        return given
    if declared.keys() == given.keys():
        return declared
    first = declared if facts.strict else [name for name in declared if name in given]
    return [*first, *(name for name in given if name not in declared)]


def _missing(facts: Facts, name: str) -> Exception:
    if name in facts.output_types:
        return Unfit(f"the model did not return its output '{name}'")
    return Refused(f"unexpected inference output '{name}' for model '{facts.name}'")
