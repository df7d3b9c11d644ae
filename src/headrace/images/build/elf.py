"""Which shared libraries a program or a library asks for, read from its file: nothing of it is run."""

import mmap
import struct
from pathlib import Path

MAGIC = b"\x7fELF"
LITTLE_64 = (2, 1)  # class and byte order of all machines that this is run on
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
NEEDED, STRINGS, END = 1, 5, 0
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")


class Elf:
    """Empty for what is no such file."""

    def __init__(self, path: Path) -> None:
        self.needed: tuple[str, ...] = ()
        self.interpreter = ""
        with path.open("rb") as file:
            if file.read(4) == MAGIC:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    self._read(content)

    def _read(self, content: mmap.mmap) -> None:
        try:
            if (content[4], content[5]) == LITTLE_64:
                self._read_segments(content)
        except (struct.error, IndexError, ValueError):
            self.needed = ()  # cut off, or made to mislead: it asks for nothing that could be found

    def _read_segments(self, content: mmap.mmap) -> None:
        fields = _HEADER.unpack_from(content)
        start, size, count = fields[5], fields[9], fields[10]
        segments = [_SEGMENT.unpack_from(content, start + number * size) for number in range(count)]
        for kind, _, offset, _, _, length, _, _ in segments:
            if kind == INTERPRETER:
                self.interpreter = content[offset : offset + length].rstrip(b"\0").decode()
        for kind, _, offset, _, _, length, _, _ in segments:
            if kind == DYNAMIC:
                pairs = list(_ENTRY.iter_unpack(content[offset : offset + length - length % _ENTRY.size]))
                names = [value for tag, value in pairs if tag == NEEDED]
                strings = next((_place(segments, value) for tag, value in pairs if tag == STRINGS), 0)
                self.needed = tuple(_text(content, strings + name) for name in names)


def _place(segments: list[tuple[int, ...]], address: int) -> int:
    """Where in the file lies what will lie at this address."""
    for kind, _, offset, virtual, _, length, _, _ in segments:
        if kind == LOAD and virtual <= address < virtual + length:
            return offset + address - virtual
    raise ValueError(address)


def _text(content: mmap.mmap, start: int) -> str:
    return content[start : content.find(b"\0", start)].decode()
