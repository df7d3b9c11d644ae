"""Zeros for the tensors of a model that nobody gave test files for, written as text at once. Pure.

A model may declare tensors of any size: how long the text will be is known before any of it is made.
"""

import json
import math
from collections.abc import Mapping

from headrace.domain.body import BlobRef, Body
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec

REQUEST = "request.json"  # an Open Inference request for all inputs
_ZEROS = {"BYTES": b'"0"', "BOOL": b"false"}
_TEXT = b"0"  # a file for an input of texts
_BEGIN = b'{"inputs":['


def completed(tensors: TensorModel, given: Mapping[str, Body], limit: int) -> dict[str, Body]:
    """`given`, with zeros for all other inputs; or else one request of zeros for all of them.

    Raises Invalid where that is more than `limit` bytes.
    """
    sizes = _sizes(tensors, given, limit)
    if given:
        return {spec.name: _as_file(spec) for spec in tensors.inputs if spec.name in sizes} | dict(given)
    inputs = b",".join([_head(spec) + _nested(spec, _flat(spec)) + b"}" for spec in tensors.inputs])
    return {REQUEST: _BEGIN + inputs + _end(tensors)}


def planned(tensors: TensorModel, given: Mapping[str, Body], limit: int) -> dict[str, Body]:
    """The same names and sizes, with references to nothing in the place of zeros. Raises the same."""
    sizes = _sizes(tensors, given, limit)
    if given:
        return {name: BlobRef("", size) for name, size in sizes.items()} | dict(given)
    heads = sum(len(_head(spec)) + len(b"},") for spec in tensors.inputs) - len(b",")
    return {REQUEST: BlobRef("", len(_BEGIN) + heads + sum(sizes.values()) + len(_end(tensors)))}


def _sizes(tensors: TensorModel, given: Mapping[str, Body], limit: int) -> dict[str, int]:
    """Bytes of zeros for each input that needs them. Raises Invalid."""
    wanted = [spec for spec in tensors.inputs if spec.name not in given]
    sizes = {spec.name: _size_of_file(spec) if given else _size(spec, _flat(spec)) for spec in wanted}
    if (size := sum(sizes.values())) > limit:
        raise Invalid(
            f"zeros for its inputs would be {size} bytes, and {limit} are allowed: let the model take smaller tensors, "
            f"and give an inference request with them as test_input/{REQUEST}"
        )
    return sizes


def _head(spec: TensorSpec) -> bytes:
    head = json.dumps({"name": spec.name, "datatype": spec.datatype, "shape": _shape(spec)}).encode()
    return head[:-1] + b',"data":'


def _end(tensors: TensorModel) -> bytes:
    sequence = json.dumps({"sequence_id": 1, "sequence_start": True, "sequence_end": True}).encode()
    return b"]" + (b',"parameters":' + sequence if tensors.sequences else b"") + b"}"


def _as_file(spec: TensorSpec) -> bytes:
    """As jobs have it: docs/formats.md."""
    return _TEXT if spec.datatype == "BYTES" else _nested(spec, _shape(spec))


def _size_of_file(spec: TensorSpec) -> int:
    return len(_TEXT) if spec.datatype == "BYTES" else _size(spec, _shape(spec))


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


def _flat(spec: TensorSpec) -> list[int]:
    return [math.prod(_shape(spec))]


def _shape(spec: TensorSpec) -> list[int]:
    """1 for dimensions of any size."""
    return [1 if size < 0 else size for size in spec.shape]


def _zero(spec: TensorSpec) -> bytes:
    return _ZEROS.get(spec.datatype, b"0")
