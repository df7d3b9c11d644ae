"""The access log: one line for each request, off by default. It never holds a query, a header or a body."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from headrace.domain.errors import Invalid

LONGEST_PATH = 500  # characters

Write = Callable[[str], object]


class Style(StrEnum):
    OFF = "off"
    PLAIN = "plain"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Line:
    method: str
    path: str
    status: str
    seconds: float
    client: str = ""  # address


class AccessLog:
    def __init__(self, style: Style, write: Write = sys.stderr.write) -> None:
        self._style, self._write = style, write

    def __call__(self, line: Line) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        path = line.path.partition("?")[0][:LONGEST_PATH]
        if self._style is Style.JSON:
            fields = asdict(line) | {"path": path, "seconds": round(line.seconds, 6)}
            self._write(json.dumps({"at": at} | fields) + "\n")
        else:
            text = f"{line.client or '-'} {line.method} {path} {line.status} {line.seconds * 1000:.1f} ms"
            self._write(f"{at} {text.encode('unicode_escape').decode()}\n")  # no line of a client's making


def access_log(style: str, write: Write = sys.stderr.write) -> AccessLog | None:
    """None: off. Raises Invalid for a word that is no style."""
    if style not in set(Style):
        raise Invalid(f"telemetry.access_log should be {', '.join(Style)}, not {style!r}")
    return None if style == Style.OFF else AccessLog(Style(style), write)
