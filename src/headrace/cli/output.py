"""What a command prints: data on stdout, as a table or as JSON, and everything else on stderr."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from headrace.cli.failure import Failure

FILE_WIDTH = 240  # columns when nobody looks: a table in a file or a pipe should not be cut


class Output:
    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.data = Console(width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False)
        self.notes = Console(stderr=True, width=None if sys.stderr.isatty() else FILE_WIDTH, highlight=False)

    def show(self, answer: object, table: Callable[[], RenderableType]) -> None:
        """`answer` is what --json prints: the server's own JSON, or an object of ours."""
        if not self.as_json:
            shown = table()
            self.data.print(shown, soft_wrap=isinstance(shown, Text))  # a command to copy stays on its line
            return
        raw = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        sys.stdout.write(msgspec.json.format(raw or b"null", indent=2).decode() + "\n")

    def say(self, sentence: str, style: str = "") -> None:
        if not self.quiet:
            self.notes.print(Text(clean(sentence), style=style))

    def fail(self, failure: Failure) -> None:
        if self.as_json:
            problem = {"error": {"message": failure.message, "exitCode": int(failure.code), "cure": failure.cure}}
            sys.stderr.write(msgspec.json.encode(problem).decode() + "\n")
            return
        self.notes.print(Text("error: ", style="bold red") + Text(clean(failure.message), style="default"))
        if failure.cure:
            self.notes.print(Text(f"  try: {clean(failure.cure)}"))

    def counter(self) -> Progress:
        """A bar with "done of total"; invisible when quiet or when stderr is not a terminal."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.notes,
            disable=self.quiet or not self.notes.is_terminal,
            transient=True,
        )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> Table:
    """`right` names the columns with numbers. Cells are shown as they are: no markup, no control characters."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(clean(str(cell))) for cell in row))
    return made


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """One thing's fields, one a line; empty ones are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in {"", None}:
            made.add_row(name, Text(clean(str(value))))
    return made


def program() -> str:
    """How this program was started, as it can be typed again."""
    called = Path(sys.argv[0])
    if called.name != "headrace":
        return f"{shlex.quote(sys.executable)} -m headrace"
    on_path = shutil.which("headrace")
    if on_path and Path(on_path).samefile(called):
        return "headrace"
    return shlex.quote(str(called))


def clean(text: str) -> str:
    """Names and outputs are other people's text: a control character in them must not steer the terminal."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def seconds(milliseconds: float) -> str:
    """Milliseconds for people: 0.4 ms, 170 ms, 12.3 s."""
    if milliseconds >= 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds / 1000:.1f} s"
    exact = milliseconds % 1 and milliseconds < 10  # noqa: PLR2004 - two digits are enough
    return f"{milliseconds:.1f} ms" if exact else f"{milliseconds:.0f} ms"


def size(count: float) -> str:
    """Bytes for people: 12 B, 3.4 KB, 1.2 GB."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - the step between two units
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
