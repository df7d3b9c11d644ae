"""Steps as they happen: a spinner and a bar while one runs, a line with a tick and its time when it is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from headrace.cli.output import Output, clean


class Note:
    """What a running step may say about itself."""

    def __init__(self, bar: Progress, task: TaskID, title: str) -> None:
        self._bar, self._task, self._title = bar, task, title
        self.end = ""  # stands beside the tick

    def at(self, percentage: float, what: str = "") -> None:
        shown = f"{self._title}: {clean(what)}" if what else self._title
        self._bar.update(self._task, completed=percentage, total=100, description=shown)


class Ticks:
    """`width` is that of the widest title, so that the times stand in one column."""

    def __init__(self, output: Output, width: int) -> None:
        self._output, self._width = output, width

    @contextmanager
    def step(self, label: str, title: str) -> Iterator[Note]:
        """Draws the line also when the step fails, with a cross."""
        began = time.monotonic()
        with self._bar() as bar:
            note = Note(bar, bar.add_task(title, total=None), title)
            try:
                yield note
            except BaseException:
                self._line("✗", "red", label, title, began, note.end)
                raise
        self._line("✓", "green", label, title, began, note.end)

    def _line(self, mark: str, colour: str, label: str, title: str, began: float, end: str) -> None:
        if self._output.quiet:
            return
        line = Text(f"{mark} ", style=colour)
        line.append(f"{label:>2}  {clean(title):<{self._width}}  {time.monotonic() - began:6.1f} s", style="default")
        line.append(f"  {clean(end)}" if end else "", style="dim")
        self._output.notes.print(line)

    def _bar(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self._output.notes,
            disable=self._output.quiet or not self._output.notes.is_terminal,
            transient=True,
        )
