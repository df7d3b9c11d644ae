"""Zeros for the tensors of a model that nobody gave test files for, written as text at once. Pure.

A model may declare tensors of any size: how long the text will be is known before any of it is made.
"""

import json
import math
from collections.abc import Mapping

from headrace.domain.body import Body
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec

REQUEST = "request.json"  # an Open Inference request for all inputs
_ZEROS = {"BYTES": b'"0"', "BOOL": b"false"}


def completed(tensors: TensorModel, given: Mapping[str, Body], limit: int) -> dict[str, Body]:
    """`given`, with zeros for all other inputs; or else one request of zeros for all of them.

    Raises Invalid where that is more than `limit` bytes.
    """
    wanted = [spec for spec in tensors.inputs if spec.name not in given]
    size = sum(_size(spec, _shape(spec) if given else [math.prod(_shape(spec))]) for spec in wanted)
    if size > limit:
        raise Invalid(
            f"zeros for its inputs would be {size} bytes, and {limit} are allowed: let the model take smaller tensors, "
            f"and give an inference request with them as test_input/{REQUEST}"
        )
    if given:
        return {spec.name: _as_file(spec) for spec in wanted} | dict(given)
    inputs = b",".join([_as_tensor(spec) for spec in wanted])
    sequence = json.dumps({"sequence_id": 1, "sequence_start": True, "sequence_end": True}).encode()
    more = b',"parameters":' + sequence if tensors.sequences else b""
    return {REQUEST: b'{"inputs":[' + inputs + b"]" + more + b"}"}


def _as_tensor(spec: TensorSpec) -> bytes:
    shape = _shape(spec)
    head = json.dumps({"name": spec.name, "datatype": spec.datatype, "shape": shape}).encode()
    return head[:-1] + b',"data":' + _nested(spec, [math.prod(shape)]) + b"}"


def _as_file(spec: TensorSpec) -> bytes:
    """As jobs have it: docs/formats.md."""
    return b"0" if spec.datatype == "BYTES" else _nested(spec, _shape(spec))


def _nested(spec: TensorSpec, shape: list[int]) -> bytes:
    text = _zero(spec)
    for size in reversed(_seen(shape)):
        text = b"[" + ((text + b",") * size)[:-1] + b"]"
    return text


def _size(spec: TensorSpec, shape: list[int]) -> int:
    """Bytes of the same."""
    text = len(_zero(spec))
    for size in reversed(_seen(shape)):
        text = max(size * (text + 1) - 1, 0) + 2
    return text


def _seen(shape: list[int]) -> list[int]:
    """Without what lies in nothing."""
    return shape[: shape.index(0) + 1] if 0 in shape else shape


def _shape(spec: TensorSpec) -> list[int]:
    """1 for dimensions of any size."""
    return [1 if size < 0 else size for size in spec.shape]


def _zero(spec: TensorSpec) -> bytes:
    return _ZEROS.get(spec.datatype, b"0")
