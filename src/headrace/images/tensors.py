"""The tensors that model.yaml declares: inputs and outputs with a datatype, and how many rows run together."""

import json
from typing import Any

from headrace.domain.errors import Invalid
from headrace.domain.tensor import DATATYPES

FILE = "model.yaml"
MOST_DIMENSIONS = 32
MOST_ROWS = 1_000_000


def declared_tensors(given: dict[str, Any]) -> str:
    """As JSON for the program beside the model; "" when none are declared. Raises Invalid."""
    found = {key: _specs(given.get(key), key) for key in ("inputs", "outputs")}
    size = given.get("maxBatchSize")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MOST_ROWS):
        raise Invalid(f"{FILE}: maxBatchSize is {size!r:.80}; write a whole number from 0")
    told: dict[str, Any] = {key: specs for key, specs in found.items() if specs}
    if size is not None:
        told["max_batch_size"] = size
    return json.dumps(told) if told else ""


def _specs(given: Any, key: str) -> dict[str, Any]:
    found = {}
    for name, said in given.items() if isinstance(given, dict) else ():
        if isinstance(said, dict) and ("datatype" in said or "shape" in said):
            found[str(name)] = _spec(said, f"{key}.{name}")
    return found


def _spec(said: dict[str, Any], where: str) -> dict[str, Any]:
    datatype, shape = said.get("datatype"), said.get("shape", [-1])
    if datatype not in DATATYPES:
        raise Invalid(f"{FILE}: {where}.datatype is {datatype!r:.80}; known are {', '.join(sorted(DATATYPES))}")
    good = isinstance(shape, list) and len(shape) <= MOST_DIMENSIONS
    if not good or not all(type(size) is int and -1 <= size < 1 << 62 for size in shape):
        raise Invalid(f"{FILE}: {where}.shape is {shape!r:.80}; write whole numbers, -1 for any size, such as [-1, 4]")
    return {"datatype": datatype, "shape": shape, "optional": said.get("optional") is True}
