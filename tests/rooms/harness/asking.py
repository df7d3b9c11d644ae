"""Requests of the Open Inference Protocol built by hand, and the parts of the harness without a process."""

import json
import struct
from collections.abc import Mapping
from typing import Any

from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.questions import Asked
from headrace.runners.harness.tensors import Spec


class Said:
    """What an adapter says of its model."""

    def __init__(self, inputs=(), outputs=(), max_batch_size: int = 0, *, strict: bool = True, rows: int = 0) -> None:
        self.platform, self.strict, self.rows, self.labels = "test", strict, rows, None
        self.inputs, self.outputs, self.max_batch_size = tuple(inputs), tuple(outputs), max_batch_size
        self.streams, self.sequences, self.cached, self.loose, self.configuration = "", 0, False, False, ""


def facts(*inputs: Spec, outputs=(), max_batch_size: int = 0) -> Facts:
    return Facts("simple", "1", Said(inputs, outputs, max_batch_size))


def tensor(name: str, datatype: str, shape: list[int], data: Any = None, **parameters: Any) -> dict[str, Any]:
    one = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        one["data"] = data
    return one | ({"parameters": parameters} if parameters else {})


def body(*inputs: dict[str, Any], **more: Any) -> memoryview:
    return view(json.dumps({"inputs": list(inputs), **more}).encode())


def view(data: bytes) -> memoryview:
    return memoryview(bytearray(data))


def binary(*inputs: tuple[str, str, list[int], bytes], **more: Any) -> tuple[memoryview, dict[str, str]]:
    """JSON and bytes, and the meta that says where one ends."""
    described = [tensor(name, kind, shape, binary_data_size=len(data)) for name, kind, shape, data in inputs]
    head = json.dumps({"inputs": described, **more}).encode()
    return view(head + b"".join(data for *_, data in inputs)), {"json": str(len(head))}


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value % (1 << 64))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def proto_input(name: str, datatype: str, shape: list[int], contents: bytes | None = None) -> bytes:
    dims = field(3, b"".join(varint(size % (1 << 64)) for size in shape)) if shape else b""
    return field(5, field(1, name) + field(2, datatype) + dims + (b"" if contents is None else field(5, contents)))


def proto(*inputs: tuple[str, str, list[int], bytes], one_id: str = "", more: bytes = b"") -> memoryview:
    """With raw contents."""
    parts = [field(1, "simple"), field(3, one_id) if one_id else b""]
    parts += [proto_input(name, kind, shape) for name, kind, shape, _ in inputs]
    return view(b"".join([*parts, more, *(field(7, data) for *_, data in inputs)]))


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


class Wire:
    """Stands for the connection: bodies to read, answers that were sent, progress that was told."""

    def __init__(self) -> None:
        self.heads: list[tuple[Any, ...]] = []
        self.bodies: list[bytes] = []
        self.progress: list[tuple[int, int]] = []
        self.left = False  # nobody wants further answers
        self._waiting: list[Any] = []

    def ask(self, desk: Any, *questions: tuple[str, Any, Mapping[str, str]]) -> list[Any]:
        """Each question is (form, body or files, meta); each answer (error, bodies by name, fault, meta)."""
        self.heads, self.bodies, self.progress = [], [], []
        self._waiting = [given for _, given, _ in questions]
        asked = []
        for form, given, meta in questions:
            if form == "files":
                asked.append(Asked([False, [(name, len(one)) for name, one in given.items()]]))
            else:
                asked.append(Asked([form, len(given), dict(meta)]))
        desk.answer_all(asked, self, self)
        return self._answers()

    def _answers(self) -> list[Any]:
        found, start = [], 0
        for head in self.heads:
            outputs = {}
            for name, size in [("", head[4])] if type(head[4]) is int else head[4]:
                outputs[name], start = self.bodies[start], start + 1
                assert size == len(outputs[name])
            fault, meta, *_ = head[5:] if len(head) > 5 else ("model", {})
            found.append((head[3], outputs, fault, meta))
        return found

    def __call__(self, index: int, count: int) -> None:
        self.progress.append((index, count))

    def unwanted(self, _index: int) -> bool:
        return self.left

    def taken(self) -> int:
        return len(self.heads)

    def one(self, _asked: Asked) -> bytearray:
        return bytearray(self._waiting.pop(0))

    seen = one

    def files(self, _asked: Asked) -> dict[str, bytes]:
        return self._waiting.pop(0)

    def add(self, head: tuple[Any, ...], contents: list[bytes], last: bool) -> None:  # noqa: ARG002 - its name
        self.heads.append(head)
        self.bodies.extend(contents)
