"""`headrace torture`: the promises of this program, tested against a scratch installation on this machine."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.progress import Progress, TaskID
from rich.text import Text

from headrace.cli.command import LocalCommand, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import Output, clean, program, table
from headrace.cli.torture_server import Scratch
from headrace.torture import campaign
from headrace.torture.campaign import Wish
from headrace.torture.installation import Refused
from headrace.torture.plan import Kind, parse
from headrace.torture.report import Report, Times
from headrace.torture.scene import Outcome
from headrace.torture.server import NotStarted

app = typer.Typer(add_completion=False)

COLUMNS = (
    "kind", "rounds", "kills", "cuts", "troubles", "jobs", "inputs", "recovery p50", "max", "resumed max", "faults",
)  # fmt: skip
SHOWN = 10  # faults of a round that are printed; the report has them all
SHORT = {"places": 16, "cuts": 6, "spells": 1, "seeds": 1}
FULL = {"places": 1_000, "cuts": 200, "spells": 10, "seeds": 3}


@app.command(cls=LocalCommand)
def torture(  # noqa: PLR0913 - each is an option of the command
    ctx: typer.Context,
    *,
    full: Annotated[bool, typer.Option("--full", help="1,000 places, 200 cuts, 3 seeds: takes hours.")] = False,
    only: Annotated[list[Kind] | None, typer.Option(help="Only this kind of round; may be repeated.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Draw the rounds by this seed; may be repeated.")] = None,
    places: Annotated[int | None, typer.Option(min=1, help="Kills for each seed.")] = None,
    cuts: Annotated[int | None, typer.Option(min=1, help="Power cuts for each seed.")] = None,
    spells: Annotated[int | None, typer.Option(min=1, help="Rounds of each other kind for each seed.")] = None,
    together: Annotated[int, typer.Option(min=1, help="Rounds at the same time.")] = 1,
    replay: Annotated[str, typer.Option(help="Run one round again, by the name that a failure printed.")] = "",
    postgresql: Annotated[bool, typer.Option("--postgresql", help="On a PostgreSQL of its own, not SQLite.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write what was tried into this file, as JSON.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where to work; rounds that failed are left there.")] = None,
) -> None:
    """Kill, cut off, fill up and lie to a scratch installation, and check in SQL what it promised.

    Ends with 0 only when every promise held. What this machine cannot do is said, and fails only if --only asks for it.

    Example: headrace torture --only kill --places 100 --report torture.json
    """
    output = session_of(ctx).output
    chosen = FULL if full else SHORT
    with _place(folder) as place:
        wish = Wish(
            folder=place,
            kinds=frozenset(only or Kind),
            seeds=tuple(seed or range(1, chosen["seeds"] + 1)),
            places=places or chosen["places"],
            cuts=cuts or chosen["cuts"],
            spells=spells or chosen["spells"],
            together=together,
            postgresql=postgresql,
        )
        found = _run(output, wish, replay)
        if report is not None:
            report.write_bytes(msgspec.json.format(msgspec.json.encode(found.document()), indent=2))
        output.show(found.document(), lambda: _shown(found))
        if not found.held:
            raise typer.Exit(ExitCode.FAILED)
    if found.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if only and found.not_tried:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """An empty folder; a temporary one is removed unless something failed in it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Failure(f"{folder} is not empty: torture works in a folder of its own", ExitCode.USAGE)
        yield folder.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="headrace-torture-"))
    made.chmod(0o711)  # PostgreSQL does not run as root, and has its folder below this one
    yield made
    shutil.rmtree(made, ignore_errors=True)  # not reached after a failure: its logs are wanted


def _run(output: Output, wish: Wish, replay: str) -> Report:
    try:
        with output.counter() as bar:
            told = _Told(output, bar)
            if replay:
                return asyncio.run(campaign.again(parse(replay), wish, Scratch, told))
            return asyncio.run(campaign.torture(wish, Scratch, told))
    except (asyncio.CancelledError, KeyboardInterrupt) as error:
        raise Failure("interrupted before anything was tried", ExitCode.INTERRUPTED) from error
    except ValueError as error:
        raise Failure(f"--replay {replay}: this names no round ({error})", ExitCode.USAGE) from error
    except (Refused, NotStarted) as error:
        raise Failure(f"not even an ordinary installation works here: {error}", cure="`headrace doctor`") from error


class _Told:
    """Shows how far it is, and each round that failed at once."""

    def __init__(self, output: Output, bar: Progress) -> None:
        self._output, self._bar = output, bar
        self._task: TaskID = bar.add_task("an ordinary round, to see which places there are", total=None)

    def __call__(self, done: int, total: int, last: Outcome | None) -> None:
        name = clean(last.plan.name[:60]) if last else ""
        self._bar.update(self._task, completed=done, total=total or None, description=name)
        if last is not None and last.faults:
            self._output.say(f"✗ {last.plan.name}: {last.faults[0][:300]}", style="red")


def _shown(report: Report) -> RenderableType:
    kinds = table(
        COLUMNS,
        (
            (
                one.kind.value, one.rounds, f"{one.kills}+{one.missed}" if one.missed else one.kills, one.cuts,
                ", ".join(f"{count} {what}" for what, count in one.troubles.items()), one.jobs, one.inputs,
                _seconds(one.recovery, one.recovery.p50), _seconds(one.recovery, one.recovery.longest),
                _seconds(one.resumed, one.resumed.longest), one.faults,
            )
            for one in report.kinds()
        ),
        right=("rounds", "kills", "cuts", "jobs", "inputs", "recovery p50", "max", "resumed max", "faults"),
    )  # fmt: skip
    parts: list[RenderableType] = [kinds]
    if report.surveyed:
        never = [place.name for place in report.places() if not place.killed]
        killed = sum(1 for place in report.places() if place.killed)
        parts.append(Text(f"Killed at {killed} of {len(report.places())} places; never at: {', '.join(never) or '-'}"))
    parts += [Text(f"Not tried here: {kind.value} ({why})", style="yellow") for kind, why in report.not_tried.items()]
    for failure in report.failures():
        parts.append(Text(f"\n✗ {failure.replay}", style="bold red"))
        parts += [Text(f"  {clean(fault)[:2_000]}") for fault in failure.faults[:SHOWN]]
        parts.append(Text(f"  again: {program()} torture {report.how}--replay {failure.replay}\n  log: {failure.log}"))
    end = "Every promise held" if report.held else "A PROMISE WAS BROKEN"
    end += ", until it was interrupted" if report.interrupted else ""
    parts.append(Text(f"\n{end}, in {report.seconds:.0f} s on {os.cpu_count()} processors.", style="bold"))
    return Group(*parts)


def _seconds(times: Times, value: float) -> str:
    return f"{value:.2f} s" if times.count else ""
