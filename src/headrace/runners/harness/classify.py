"""The classification extension: the best classes of an output, as "value:index:label"."""

from __future__ import annotations

import math

from headrace.runners.harness.tensors import Column, Output, Refused, Reply


def classified(reply: Reply, batched: bool, labels: dict[str, list[str]] | None) -> Reply:
    """The reply with every output for which classes were asked replaced by them. Raises Refused."""
    wanted = reply.request.outputs
    if wanted is None:
        return reply
    asked = {one.name: one.classes for one in wanted if one.classes}
    if not asked:
        return reply
    outputs = []
    for output in reply.outputs:
        name = output.column.name
        many = asked.get(name, 0)
        outputs.append(_best(output, many, batched, (labels or {}).get(name, [])) if many else output)
    return Reply(reply.request, outputs, reply.parameters)


def _best(output: Output, many: int, batched: bool, labels: list[str]) -> Output:
    column, shape = output.column, output.shape
    if column.datatype == "BYTES":
        raise Refused("class result not available for output due to unsupported type 'BYTES'")
    rows = shape[0] if batched and shape else 1
    classes = math.prod(shape) // max(1, rows)
    kept, found, values = min(many, classes), [], output.flat
    form = "f" if column.datatype.startswith(("FP", "BF")) else "d"  # as Triton writes them
    for row in range(rows):
        own = values[row * classes : (row + 1) * classes]
        order = sorted(range(classes), key=lambda index: _key(own[index]), reverse=True)
        for index in order[:kept]:
            label = f":{labels[index]}" if index < len(labels) else ""
            found.append(f"{own[index]:{form}}:{index}{label}".encode())
    new_shape = (rows, kept) if batched else (kept,)
    return Output(Column(column.name, "BYTES", found), new_shape, 0, len(found), output.parameters)


def _key(value: float) -> float:
    return -math.inf if math.isnan(value) else value
