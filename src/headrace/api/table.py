"""Finds the endpoint for a method and a path. Segments are decoded one by one: a key may hold %2F, dots, nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from headrace.api.endpoint import Row
from headrace.api.errors import Problem
from headrace.domain.errors import Invalid

MAY_BE_EMPTY = frozenset({"input"})  # a user-defined key is any text, "" too (seed 1)


@dataclass(slots=True)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    name: str = ""  # of the parameter
    rows: dict[str, tuple[Row, tuple[str, ...]]] = field(default_factory=dict)  # method → row, parameter names


class Table:
    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._root = _Node()
        for row in self.rows:
            self._add(row)

    def find(self, method: str, raw_path: bytes) -> tuple[Row, dict[str, str]]:
        """Raises Problem: 404 for an unknown path, 405 for a method that this path does not know."""
        segments = path_segments(raw_path)
        wanted = "GET" if method == "HEAD" else method
        found = self._walk(self._root, segments, (), wanted)
        if found is None:
            raise self._refusal(segments, method)
        node, values = found
        row, names = node.rows[wanted]
        return row, dict(zip(names, values, strict=True))

    def _refusal(self, segments: list[str], method: str) -> Problem:
        if (found := self._walk(self._root, segments, (), None)) is None:
            path = "/" + "/".join(segments)
            return Problem(404, f"there is no {path[:200]}: /api/docs lists what there is")
        possible = found[0].rows.keys()
        allowed = ", ".join(sorted(possible | {"HEAD"} if "GET" in possible else possible))
        return Problem(405, f"{method} is not possible here; possible: {allowed}", {"Allow": allowed})

    def _walk(
        self, node: _Node, rest: list[str], values: tuple[str, ...], method: str | None
    ) -> tuple[_Node, tuple[str, ...]] | None:
        """Literal segments win over parameters, with a step back when the literal leads nowhere. None: any method."""
        if not rest:
            return (node, values) if (method in node.rows if method else node.rows) else None
        first, *others = rest
        if first in node.literal and (found := self._walk(node.literal[first], others, values, method)):
            return found
        if node.parameter is not None and (first or node.name in MAY_BE_EMPTY):
            return self._walk(node.parameter, others, (*values, first), method)
        return None

    def _add(self, row: Row) -> None:
        node, names = self._root, []
        for segment in row.path.split("/")[1:]:
            if segment.startswith("{"):
                name = segment[1:-1]
                names.append(name)
                node.parameter = node.parameter or _Node()
                node.name = name if not node.name or name in MAY_BE_EMPTY else node.name
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        if row.method in node.rows:
            raise ValueError(f"{row.method} {row.path} is in the table twice")
        node.rows[row.method] = (row, tuple(names))


def path_segments(raw_path: bytes) -> list[str]:
    try:
        segments = [unquote_to_bytes(segment).decode() for segment in raw_path.split(b"/")[1:]]
    except UnicodeDecodeError:
        raise Invalid("the path is not UTF-8 after percent-decoding") from None
    if any("\0" in segment for segment in segments):
        raise Invalid("the path holds a NUL character, which no name here may have")
    return segments
