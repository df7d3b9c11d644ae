"""What MLServer's clients may send and Triton's may not: for models whose adapter says so, and for no others.

MLServer checks no shape against the data. A text may be said to be as long as its letters, one value may stand without
a list, a dimension may be -1, and a text may be null. Here the data are counted, and the model sees what was said.
"""

from __future__ import annotations

import math
from typing import Any

from headrace.runners.harness.tensors import Input, Request, count_of, flatten


class Loose(Input):
    """`shape` and `data` agree; `said_shape` and `said_data` are what the client sent."""

    __slots__ = ("said_data", "said_shape")

    def __init__(self, one: Input, data: list[Any]) -> None:
        filled = [b"" if value is None else value for value in data]
        super().__init__(one.name, one.datatype, (len(data),), filled, one.parameters)
        self.said_shape, self.said_data = one.shape, data


def loosen(request: Request) -> None:
    """Texts that are not as many as their shape says, or null, become what can be checked. Raises Refused."""
    for place, one in enumerate(request.inputs):
        if one.datatype == "BYTES" and type(one.data) is list:
            data = flatten(one.data)
            if len(data) != count_of(one.name, one.shape) or None in data:
                request.inputs[place] = Loose(one, data)


def loosened(given: Any) -> bool:
    """Puts right in a request's JSON what is only otherwise written; whether there was anything. Raises Refused."""
    inputs = given.get("inputs") if type(given) is dict else None
    found = False
    for one in inputs if type(inputs) is list else ():
        if type(one) is dict:
            found = _loosened(one) or found
    return found


def _loosened(one: dict[str, Any]) -> bool:
    data, shape = one.get("data"), one.get("shape")
    alone = data is not None and type(data) not in (list, dict)
    if alone:
        data = one["data"] = [data]
    if type(shape) is not list or -1 not in shape or type(data) is not list:
        return alone
    known = math.prod([size for size in shape if type(size) is int and size != -1])
    count = len(flatten(data))
    if shape.count(-1) == 1 and known > 0 and count % known == 0:
        one["shape"] = [count // known if size == -1 else size for size in shape]
    return True
