"""The command line against a small contract server, in this process; what it printed and how it ended."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rooms.cli.contract_server import KEY, ContractServer, Stage, running
from typer.testing import CliRunner

from headrace.cli.main import app


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Headrace = Callable[..., Ended]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HEADRACE_URL", "HEADRACE_API_KEY", "HEADRACE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEADRACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with running(stage) as url:
        yield stage, url


@pytest.fixture
def server(stage: tuple[Stage, str]) -> ContractServer:
    server = ContractServer()
    stage[0].app, server.url = server.app(), stage[1]
    return server


@pytest.fixture
def url(server: ContractServer) -> str:
    return server.url


@pytest.fixture
def plain() -> Headrace:
    """headrace without a server."""

    def run(*arguments: str, stdin: str | None = None) -> Ended:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def headrace(url: str, plain: Headrace, monkeypatch: pytest.MonkeyPatch) -> Headrace:
    """headrace with the contract server's URL and key in the environment."""
    monkeypatch.setenv("HEADRACE_URL", url)
    monkeypatch.setenv("HEADRACE_API_KEY", KEY)
    return plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model folder."""
    made = tmp_path / "echo"
    (made / "test_input").mkdir(parents=True)
    (made / "model.py").write_text("class Model: ...\n")
    (made / "test_input" / "input.txt").write_text("hello")
    (made / "model.yaml").write_text(
        "name: Echo\n"
        "version: 1.0.0\n"
        "description: {summary: Says it again., details: Long., technical: T., performance: P.}\n"
        "releaseNotes: First.\n"
        "tags: [Language and Text]\n"
        "metrics: [{label: Accuracy, value: 0.5}]\n"
        "inputs: {input.txt: {acceptedMediaTypes: [text/plain], maxSize: 1M}}\n"
        "outputs: {results.json: {mediaType: application/json, maxSize: 1Mi}}\n"
        "timeout: {status: 20s, run: 500ms}\n"
        "resources: {memory: {size: 2G}, cpu: {count: 1}}\n"
    )
    return made


@pytest.fixture
def echo(headrace: Headrace, folder: Path) -> str:
    """The identifier of a deployed model."""
    return headrace("deploy", str(folder), "--json", "-q").json()["modelId"]
