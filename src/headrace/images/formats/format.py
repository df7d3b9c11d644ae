"""What a format's files say: how the model is started, and what it needs when its folder does not say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NUMPY = "numpy==2.4.6"
ORJSON = "orjson==3.13.0"  # JSON of large tensors three times as fast
LARGEST_LOOK = 64 * 1024  # bytes of a file that are looked at


@dataclass(frozen=True, slots=True)
class Found:
    """`path` inside the folder ("." for the folder itself), `requirements` when the folder brings none.

    `beside`: packages that are added to the requirements which the folder brings, because it may not know of them.
    `lacks`: what has to be done before it can be taken.
    """

    format: str
    path: str
    requirements: tuple[str, ...]
    beside: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def entry(self) -> str:
        return f"{self.format}:{self.path}"


Recognise = Callable[[Path], Found | None]


def named_file(folder: Path, *patterns: str) -> str | None:
    """The file of the first pattern that fits exactly one."""
    for pattern in patterns:
        found = [path for path in folder.glob(pattern) if path.is_file()]
        if len(found) == 1:
            return found[0].name
    return None


def beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_LOOK)
    except OSError:
        return b""
