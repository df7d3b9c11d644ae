"""An inference request as its JSON says it, checked piece by piece: each sentence says what is wrong, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.runners.harness.tensors import (
    DATATYPES,
    MOST_DIMENSIONS,
    UNSUPPORTED,
    Input,
    Refused,
    Request,
    Wanted,
    once,
)


def parse(given: Any, meta: Mapping[str, str]) -> tuple[Request, list[int]]:
    """The request, and its inputs' binary sizes (-1: data in the JSON), empty when there are none."""
    if type(given) is not dict:
        raise Refused("Unable to parse 'inputs': the request is not a JSON object")
    one_id = given.get("id")
    if one_id is not None and type(one_id) is not str:
        raise Refused("Unable to parse 'id': attempt to access JSON non-string as string")
    parameters = _parameters(given)
    listed = given.get("inputs")
    if type(listed) is not list:
        raise Refused("Unable to parse 'inputs': attempt to access non-existing array 'inputs'")
    if not listed:
        raise Refused("Unable to parse 'inputs': the request has no inputs")
    inputs, sizes, binary = [], [], False
    for one in listed:
        tensor, size = _input(one)
        inputs.append(tensor)
        sizes.append(size)
        binary = binary or size >= 0
    once("input", [one.name for one in inputs])
    request = Request(one_id or meta.get("id", ""), inputs, _outputs(given.get("outputs")), parameters)
    if parameters is not None:
        _reserved(request, parameters)
    return request, sizes if binary else []


def _input(one: Any) -> tuple[Input, int]:
    if type(one) is not dict:
        raise Refused("Unable to parse 'inputs': an input is not a JSON object")
    try:
        name, datatype, shape = one["name"], one["datatype"], one["shape"]
    except KeyError as error:
        raise Refused(f"Unable to parse 'inputs': attempt to access non-existing key {error} of an input") from None
    if type(name) is not str:
        raise Refused("Unable to parse 'name': attempt to access JSON non-string as string")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise Refused(f"invalid datatype for input {name}")
    parameters, data, size = one.get("parameters"), one.get("data"), -1
    if parameters is not None:
        size = _size(name, _parameters(one) or {})
    if (data is None) is (size < 0):
        said = "But no field is set" if data is None else "But set 'data' 'binary_data_size'"
        raise Refused(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            f"'shared_memory_region' in 'parameters'. {said}"
        )
    if data is not None and type(data) is not list:
        raise Refused(f"Unable to parse 'data': attempt to access JSON non-array as array for input '{name}'")
    return Input(name, datatype, _shape(name, shape), data, parameters), size


def _shape(name: str, given: Any) -> tuple[int, ...]:
    if type(given) is not list or len(given) > MOST_DIMENSIONS:
        raise Refused(f"Unable to parse 'shape' of input '{name}': it should be a list of at most {MOST_DIMENSIONS}")
    shape = tuple(given)
    for dimension in shape:
        if type(dimension) is not int or dimension < 0:
            raise Refused(f"Unable to parse 'shape' of input '{name}': attempt to access JSON non-unsigned-integer")
    return shape


def _size(name: str, parameters: dict[str, Any]) -> int:
    if "shared_memory_region" in parameters:
        raise Refused("Client shared memory is disabled.", UNSUPPORTED)
    size = parameters.get("binary_data_size")
    if size is None:
        return -1
    if type(size) is not int or size < 0:
        raise Refused(f"Unable to parse 'binary_data_size' of input '{name}': it should be a whole number from 0")
    return size


def _parameters(holder: dict[str, Any]) -> dict[str, Any] | None:
    parameters = holder.get("parameters")
    if parameters is not None and type(parameters) is not dict:
        raise Refused("Unable to parse 'parameters': attempt to access JSON non-object as object")
    return parameters or None


def _reserved(request: Request, parameters: dict[str, Any]) -> None:
    for key in parameters:
        if key.startswith("triton_"):
            raise Refused(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
    if "binary_data_output" in parameters:
        binary = parameters["binary_data_output"]
        if type(binary) is not bool:
            raise Refused("Unable to parse 'binary_data_output': attempt to access JSON non-boolean as boolean")
        request.binary = binary
        request.parameters = {key: value for key, value in parameters.items() if key != "binary_data_output"} or None


def _outputs(given: Any) -> tuple[Wanted, ...] | None:
    """None for all of them."""
    if given is None:
        return None
    if type(given) is not list:
        raise Refused("Unable to parse 'outputs': attempt to access JSON non-array as array")
    wanted: dict[str, Wanted] = {}
    for one in given:
        if type(one) is not dict or type(one.get("name")) is not str:
            raise Refused("Unable to parse 'outputs': an output is not a JSON object with a 'name'")
        if one["name"] in wanted:
            raise Refused(f"output '{one['name']}' already exists in request")
        wanted[one["name"]] = _wanted(one["name"], _parameters(one))
    return tuple(wanted.values()) or None


def _wanted(name: str, parameters: dict[str, Any] | None) -> Wanted:
    if parameters is None:
        return Wanted(name)
    if "shared_memory_region" in parameters:
        raise Refused("Client shared memory is disabled.", UNSUPPORTED)
    binary, classes = parameters.get("binary_data", False), parameters.get("classification", 0)
    if type(binary) is not bool:
        raise Refused(
            f"Unable to parse 'binary_data' of output '{name}': attempt to access JSON non-boolean as boolean"
        )
    if type(classes) is not int or classes < 0:
        raise Refused(f"Unable to parse 'classification' of output '{name}': it should be a whole number from 1")
    return Wanted(name, binary, classes, parameters)
