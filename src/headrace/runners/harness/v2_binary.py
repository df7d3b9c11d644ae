"""The binary tensor extension: bytes after the JSON, and requests that are the bytes of one tensor alone."""

from __future__ import annotations

import math
from typing import Any

from headrace.runners.harness.tensors import DATATYPES, Input, Refused, Request, Spec

LONGEST_NUMBER = 20  # characters


def header_length(told: str, size: int) -> int:
    """What Inference-Header-Content-Length says; text that is no number is 0."""
    digits = told.strip()
    length = int(digits) if digits.lstrip("-").isdecimal() and digits.isascii() and len(digits) <= LONGEST_NUMBER else 0
    if not 0 <= length <= size:
        raise Refused(f"inference header size should be in range (0, {size}), got: {length}")
    return length


def take_tensors(request: Request, sizes: list[int], tail: memoryview, model: str) -> None:
    """Gives each input its part of `tail`. `sizes`: for each input its binary_data_size, -1 for one with JSON data."""
    start = 0
    for one, size in zip(request.inputs, sizes, strict=True):
        if size >= 0:
            missing = size - (len(tail) - start)
            if missing > 0:
                raise Refused(
                    f"unexpected size for input '{one.name}', expecting {missing} additional bytes for model '{model}'"
                )
            one.data = tail[start : start + size]
            start += size
    if start < len(tail):
        raise Refused(f"unexpected additional input data for model '{model}'")


def raw_request(
    id: str,  # noqa: A002 - its name in the protocol
    body: memoryview,
    model: str,
    specs: tuple[Spec, ...],
    batching: bool,
    as_json: bool,
) -> Request:
    """The whole body is the model's only input, of batch 1; its one unknown dimension follows from the size."""
    if len(specs) != 1:
        raise Refused(
            f"Raw request must only have 1 input (found 1) to be deduced but got {len(specs)} inputs in '{model}' "
            "model configuration"
        )
    spec = specs[0]
    shape = spec.shape[1:] if batching else spec.shape
    data: Any = body
    if spec.datatype == "BYTES":
        if math.prod(map(abs, shape)) != 1:
            raise Refused(f"For BYTE datatype raw input '{spec.name}', the model must have input shape [1]")
        shape, data = (1,) * len(shape), [bytes(body)]
    else:
        shape = _deduced(spec, shape, len(body))
    request = Request(id, [Input(spec.name, spec.datatype, ((1, *shape) if batching else shape), data, None)])
    request.binary = not as_json
    return request


def _deduced(spec: Spec, shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    unknown = [dimension for dimension in shape if dimension < 0]
    if len(unknown) > 1:
        raise Refused(
            f"The shape of the raw input '{spec.name}' can not be deduced because there are more than one "
            "variable-sized dimension"
        )
    count = size // DATATYPES[spec.datatype][0]
    known = math.prod(dimension for dimension in shape if dimension >= 0)
    return tuple(dimension if dimension >= 0 else count // max(1, known) for dimension in shape)
