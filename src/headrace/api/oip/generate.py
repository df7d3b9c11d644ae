"""generate: a plain JSON object instead of tensors, for any model (contracts/oip.md, A19; Triton's mapping). Pure.

Every key that is an input's name becomes a tensor, a list as many elements and anything else as one; every other key,
and every key of an object named `parameters`, becomes a parameter. Outputs of one element come back as that element.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import prod
from typing import Any

import msgspec

from headrace.api import sentences
from headrace.api.oip import bare
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec

_RESERVED = frozenset({"id", "parameters"})
_DEEPEST = 100  # lists in lists
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def request(raw: bytes, tensors: TensorModel) -> bytes:
    """The infer request that is meant. A body that is one already is taken as it is: MLServer's generate is infer.

    Raises Invalid.
    """
    body = _object(raw)
    specs = {spec.name: spec for spec in tensors.inputs}
    if isinstance(body.get("inputs"), list) and "inputs" not in specs:
        return raw
    inputs, parameters = [], _parameters(body)
    for key, value in body.items():
        spec = specs.get(key) if specs else _guessed(key, value)
        if spec is not None:
            inputs.append(_tensor(spec, value, batched=tensors.max_batch_size > 0))
        elif key not in _RESERVED:
            parameters[key] = value
    if not inputs:
        raise Invalid(f"the request has no key that is an input of the model: {_listed(specs)}")
    asked: dict[str, Any] = {"inputs": inputs}
    if "id" in body:
        asked["id"] = body["id"]
    parameters.pop("binary_data_output", None)  # the answer is a plain object, too
    if parameters:
        asked["parameters"] = parameters
    return bare.encode(asked, raw)


def answer(raw: bytes, *, with_id: bool) -> bytes:
    """The other way round, from an infer response in JSON."""
    body = bare.decode(raw, _OBJECT)
    found = {"id": body.get("id")} if with_id else {}
    found |= {"model_name": body.get("model_name"), "model_version": body.get("model_version")}
    for output in body.get("outputs", ()):
        data = output.get("data", [])
        found[output["name"]] = data[0] if isinstance(data, list) and len(data) == 1 else data
    return bare.encode(found | (body.get("parameters") or {}), raw)


def has_id(raw: bytes) -> bool:
    return bool(_object(raw).get("id"))


def _object(raw: bytes) -> dict[str, Any]:
    """Raises Invalid."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bare.decode(raw, _OBJECT)
    return sentences.decode(raw, dict[str, Any])  # which says what is wrong


def event(body: bytes) -> bytes:
    """One server-sent event. A line feed in JSON is only white space: text has it escaped."""
    return b"data: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "every key is one, and there is none"


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    found = body.get("parameters", {})
    if not isinstance(found, dict):
        raise Invalid("`parameters` should be an object")
    return dict(found)


def _guessed(key: str, value: Any) -> TensorSpec | None:
    """Of a model that declares no inputs: the type that the JSON value has."""
    if key in _RESERVED:
        return None
    first = next(iter(_flat(value)), "")
    names = {bool: "BOOL", int: "INT64", float: "FP64"}
    return TensorSpec(key, names.get(type(first), "BYTES"), (-1,))


def _tensor(spec: TensorSpec, value: Any, *, batched: bool) -> dict[str, Any]:
    data = _flat(value)
    dims = spec.shape[1:] if batched else spec.shape
    shape = _fitted(spec.name, dims, len(data))
    return {"name": spec.name, "datatype": spec.datatype, "shape": [1, *shape] if batched else shape, "data": data}


def _fitted(name: str, dims: tuple[int, ...], count: int) -> list[int]:
    """The first open dimension takes what is left, further ones are 1."""
    known = prod(size for size in dims if size >= 0)
    rest, over = divmod(count, known) if known else (0, count)
    shape, is_open = [], True
    for size in dims:
        shape.append(size if size >= 0 else (rest if is_open else 1))
        is_open = is_open and size >= 0
    if over or prod(shape) != count:
        raise Invalid(f"`{name}` has {count} elements, which do not fit the shape {list(dims)}")
    return shape


def _flat(value: Any, depth: int = 0) -> list[Any]:
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise Invalid("a tensor's value should be a number, text, true, false or a list of these")
        return [value]
    if depth > _DEEPEST:
        raise Invalid("JSON nesting depth exceeds maximum allowed limit (100)")
    return [element for part in value for element in _flat(part, depth + 1)]
