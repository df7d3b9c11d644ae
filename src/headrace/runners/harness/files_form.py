"""Files for a model that takes tensors: how a job's input becomes a request, and the answer files again.

An input that is one file holding an Open Inference request (a JSON object with "inputs") is answered with one file of
that form, results.json. Otherwise every file is the tensor of its name: for BYTES its bytes are the one element; for
every other datatype it is a JSON array, nested as the tensor's shape, where a missing batch dimension is added. Each
output is a file of its name: the bytes of a BYTES tensor with one element, else a nested JSON array.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from headrace.runners.harness.files_model import as_json
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import MOST_DIMENSIONS, Input, Output, Refused, Reply, Request, Spec
from headrace.runners.harness.v2_json import JsonForm

RESULTS = "results.json"


class Joined(NamedTuple):
    """All answers of a model that streams, to be one result.

    results.json is a list of them when they are several. A file whose answers are single BYTES elements holds these one
    behind the other; every other file is a JSON list of the tensors.
    """

    request: Request
    replies: list[Reply]


class FilesForm:
    def __init__(self, facts: Facts, as_v2: JsonForm) -> None:
        self._facts, self._as_v2 = facts, as_v2
        self._specs = {spec.name: spec for spec in facts.inputs}

    def decode(self, files: Mapping[str, bytes], meta: Mapping[str, str]) -> Request:
        """Raises Refused."""
        if len(files) == 1:
            [body] = files.values()
            given = _json(body) if body.lstrip()[:1] == b"{" else None
            if isinstance(given, dict) and isinstance(given.get("inputs"), list):
                request, sizes = self._as_v2.parsed(given, meta)
                if sizes:
                    raise Refused("binary_data_size: a file has no binary tensors after its JSON; give 'data'")
                request.binary = False
                request.typed = True
                return request
        return Request("", [self._input(name, body) for name, body in files.items()])

    def encode(self, reply: Reply) -> list[tuple[str, bytes]]:
        if reply.request.typed:
            return [(RESULTS, self._as_v2.encode(reply, {})[0])]
        return [(output.column.name, _file(output)) for output in reply.outputs]

    def encode_joined(self, joined: Joined) -> list[tuple[str, bytes]]:
        """Of a model that gives any number of answers: see Joined."""
        replies = joined.replies
        if len(replies) == 1:
            return self.encode(replies[0])
        if joined.request.typed:
            bodies = [self._as_v2.encode(reply, {})[0] for reply in replies]
            return [(RESULTS, b"[" + b",".join(bodies) + b"]")]
        found: dict[str, list[Output]] = {}
        for reply in replies:
            for output in reply.outputs:
                found.setdefault(output.column.name, []).append(output)
        return [(name, _joined(outputs)) for name, outputs in found.items()] or [(RESULTS, b"[]")]

    def _input(self, name: str, body: bytes) -> Input:
        spec = self._specs.get(name)
        if spec is None and self._specs:
            raise Refused(f"the model has no input '{name}'; it has {', '.join(self._specs)}")
        if spec is None:
            spec, given = _guessed(name, body)
        else:
            given = None if spec.datatype == "BYTES" else _json(body)
        if spec.datatype == "BYTES" and not isinstance(given, list):
            return Input(name, "BYTES", (1,) * max(1, len(spec.shape)), [body], None)
        if not isinstance(given, (list, int, float)):
            raise Refused(f"input '{name}' should be a JSON array of {spec.datatype}, nested as {list(spec.shape)}")
        shape = shape_of(given)
        if len(shape) < len(spec.shape) and self._specs:
            shape = (1,) * (len(spec.shape) - len(shape)) + shape
        return Input(name, spec.datatype, shape, given if isinstance(given, list) else [given], None)


def _joined(outputs: list[Output]) -> bytes:
    """Texts in pieces are put together; everything else becomes a list with an item for each answer."""
    if all(output.column.datatype == "BYTES" and len(output.flat) == 1 for output in outputs):
        return b"".join(bytes(output.flat[0]) for output in outputs)
    return as_json([_nested(_shown(output), output.shape) for output in outputs])


def shape_of(given: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(given, list) and len(shape) <= MOST_DIMENSIONS:
        shape.append(len(given))
        given = given[0] if given else None
    return tuple(shape)


def _guessed(name: str, body: bytes) -> tuple[Spec, Any]:
    """For a model that declares no inputs: by what the file holds."""
    given = _json(body)
    first = given
    while isinstance(first, list) and first:
        first = first[0]
    for kind, datatype in ((bool, "BOOL"), (int, "INT64"), (float, "FP64"), (str, "BYTES")):
        if isinstance(given, list) and isinstance(first, kind):
            return Spec(name, datatype, shape_of(given)), given
    return Spec(name, "BYTES", (1,)), None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _file(output: Output) -> bytes:
    if output.column.datatype == "BYTES" and len(output.flat) == 1:
        return bytes(output.flat[0])
    return as_json(_nested(_shown(output), output.shape))


def _shown(output: Output) -> list[Any]:
    values = output.flat
    return [value.decode(errors="replace") for value in values] if output.column.datatype == "BYTES" else values


def _nested(values: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return values[0]
    for size in reversed(shape[1:]):
        values = [values[index : index + size] for index in range(0, len(values), size)] if size else []
    return values
