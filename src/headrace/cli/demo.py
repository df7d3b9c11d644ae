"""`headrace demo`: a server of its own, two real models through the seventeen steps, two jobs, their results."""

import re
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from headrace.cli import deploy, job_inputs, model_folder
from headrace.cli.api_client import Api, decode
from headrace.cli.child_server import ChildServer, free_port
from headrace.cli.command import LocalCommand, Session, session_of
from headrace.cli.connection import CLIENT_FILE, Target, default_data, read_client_file
from headrace.cli.demo_samples import MODELS, digits, texts
from headrace.cli.deployment_steps import Deployed, Wishes
from headrace.cli.failure import Failure
from headrace.cli.job_results import in_short, top_class
from headrace.cli.jobs import end, follow
from headrace.cli.keys import own_key
from headrace.cli.new_version import choose_version, existing
from headrace.cli.output import program, seconds, table
from headrace.cli.shapes import Job, Results
from headrace.cli.ticks import Ticks

app = typer.Typer(add_completion=False)

JOB_LIMIT = 300.0  # seconds for both jobs
TITLES = 24
NO_NETWORK = re.compile(
    r"dns error|failed to (fetch|lookup)|error sending request|connection refused|network is unreachable|timed out|"
    r"could not (connect|be fetched)|temporary failure in name resolution|no solution found",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Score:
    """How the digits job went."""

    right: int
    total: int

    @property
    def accuracy(self) -> float:
        return self.right / self.total if self.total else 0.0


@app.command(cls=LocalCommand)
def demo(
    ctx: typer.Context,
    data: Annotated[Path | None, typer.Option(help="The demo server's data folder.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Else 8080, or a free one.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running at the end.")] = False,
) -> None:
    """Show everything once: start a server, deploy two models, run jobs on them, read the results.

    Needs a minute at the first time, when the models' packages are fetched, and a few seconds later on.
    """
    session = session_of(ctx)
    folder = (data or default_data() / "demo").expanduser().absolute()
    began = time.monotonic()
    with _server(session, folder, port, keep=keep) as (target, remains):
        session.use(Api(target))
        found = _show(session)
    session.output.say(f"\nThat was all, in {time.monotonic() - began:.0f} s.", style="bold")
    told = {"url": target.url, "key": target.key, "data": str(folder), "running": bool(remains)}
    session.output.show({**told, **found}, lambda: _next(target, folder, found, remains))
    if found["failed"]:
        end("COMPLETED", found["failed"])


@contextmanager
def _server(session: Session, folder: Path, port: int | None, *, keep: bool) -> Iterator[tuple[Target, str]]:
    """The demo's server: one that was kept, else a new one, stopped at the end. With a sentence if it stays."""
    ticks = Ticks(session.output, TITLES)
    if running := _running(folder):
        session.output.say(f"The demo's server runs already: {running.url}")
        yield running, "The server runs on."
        return
    for end_signal in (signal.SIGTERM, signal.SIGHUP):  # as with Ctrl-C, the server must not be left behind
        signal.signal(end_signal, signal.default_int_handler)
    server = ChildServer(folder, port or free_port())
    with ticks.step("", "start the server") as note:
        target = server.start()
        note.end = f"{target.url}, data in {folder}"
    finished = False
    try:
        yield target, f"The server runs on; `kill {server.process_id}` stops it." if keep else ""
        finished = True
    finally:
        if not (keep and finished):
            with ticks.step("", "stop the server"):
                server.stop()


def _running(folder: Path) -> Target | None:
    target = read_client_file(folder / CLIENT_FILE)
    if target is None or not target.key:
        return None
    api = Api(target)
    try:
        own_key(api)
    except Failure:
        return None
    finally:
        api.close()
    return target


def _show(session: Session) -> dict[str, Any]:
    readers = _deployed(session, "digits", "Handwritten digits: an image classifier (scikit-learn)")
    moods = _deployed(session, "sentiment", "Sentiment of texts (VADER)")
    samples = digits()
    session.output.say(f"\nTwo jobs: {len(samples)} pictures of digits, {len(texts())} texts", style="bold")
    pictures = {sample.name: {"image": job_inputs.embedded(sample.picture)} for sample in samples}
    sentences = {name: {"input.txt": text} for name, text in texts().items()}
    titles = {
        _submit(session.api, readers, "embedded", pictures): "digits",
        _submit(session.api, moods, "text", sentences): "sentiment",
    }
    follow(session, titles, JOB_LIMIT)
    seen, felt = (session.api.read(Results, f"results/{job}") for job in titles)
    score = _score(seen, {sample.name: sample.label for sample in samples})
    _report(session, seen, felt, score)
    return {
        "models": [{"modelId": one.model_id, "version": one.version} for one in (readers, moods)],
        "jobs": list(titles),
        "accuracy": round(score.accuracy, 4),
        "failed": seen.failed + felt.failed,
    }


def _deployed(session: Session, name: str, title: str) -> Deployed:
    session.output.say(f"\n{title}", style="bold")
    folder = model_folder.read(MODELS / name)
    row = existing(session.api, folder.name, None)
    wishes = Wishes(folder.name, choose_version(None, folder, row), {})
    try:
        return deploy.go(session, folder, wishes, row)
    except Failure as failure:
        if not NO_NETWORK.search(failure.message):
            raise
        packages = ", ".join((MODELS / name / "requirements.txt").read_text().split())
        raise Failure(
            f"the model's packages could not be fetched.\n{failure.message}",
            failure.code,
            cure=(
                f"the model needs {packages}. Check the network; behind a proxy set HTTPS_PROXY, "
                "with a package index of your own set UV_DEFAULT_INDEX. Then run the demo again"
            ),
        ) from failure


def _submit(api: Api, model: Deployed, kind: str, sources: dict[str, dict[str, str]]) -> str:
    job = {"model": {"identifier": model.model_id, "version": model.version}}
    return decode(job_inputs.submit(api, job, kind, sources), Job).job_identifier


def _score(seen: Results, labels: dict[str, str]) -> Score:
    right = sum(labels.get(name) == top_class(result) for name, result in seen.results.items())
    return Score(right, len(labels))


def _report(session: Session, seen: Results, felt: Results, score: Score) -> None:
    output = session.output
    for title, results in (("digits", seen), ("sentiment", felt)):
        done = f"{results.completed} of {results.total} inputs in {seconds(results.elapsed_time)}"
        output.say(f"✓ job {results.job_identifier} ({title}): {done}, {results.failed} failed")
    output.say(f"  {score.right} of {score.total} digits are read rightly: {score.accuracy:.1%}", style="bold green")
    if not output.quiet:
        rows = ((text, in_short(felt.results.get(name, {}))) for name, text in texts().items())
        output.notes.print(table(("text", "result"), rows))


def _next(target: Target, folder: Path, found: dict[str, Any], remains: str) -> Text:
    """What to try, as commands that can be copied."""
    headrace, data = program(), shlex.quote(str(folder))
    sentiment = found["models"][1]["modelId"]
    lines = ["", f"URL  {target.url}", f"Key  {target.key}", ""]
    if remains:
        lines += [remains, "Try next:"]
    else:
        port = target.url.rpartition(":")[2]
        lines += ["Try next, in one terminal:", f"  {headrace} serve --data {data} --port {port}", "and in another:"]
    lines += [
        f"  export HEADRACE_DATA={data}",
        f"  {headrace} models list",
        f"  {headrace} jobs submit {sentiment} --text 'This was easy!' --wait",
        f"  {headrace} jobs results {found['jobs'][0]}",
        f"  {headrace} models show {found['models'][0]['modelId']}",
        f"  {headrace} deploy {shlex.quote(str(MODELS / 'sentiment'))} --name my-first-model",
        f"  curl -H 'Authorization: ApiKey {target.key}' {target.url}/api/models",
    ]
    return Text("\n".join(lines))
