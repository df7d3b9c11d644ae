"""Keeps the zoo of bad models: starts one, asks it, and does what the fleet does when it misbehaves."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.dialects.frames import Frames
from headrace.domain.body import BodyStore
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.question import Answer, Question
from headrace.domain.replica import Hardware, Launch
from headrace.runners.choose import sandbox_fault
from headrace.runners.process import ProcessRunner, Replica
from headrace.runners.runner import Ending
from headrace.runners.sandbox import find_bubblewrap
from headrace.settings import RunnerSettings

ZOO = Path(__file__).parent / "zoo"
SETTINGS = RunnerSettings(processes=40, disk=64 << 20, output=32 << 20)
HARDWARE = Hardware(memory_bytes=256 << 20)


def need_sandbox() -> None:
    if fault := sandbox_fault():
        if os.environ.get("HEADRACE_TEST_ALL") == "1":
            pytest.fail(f"apt-get install bubblewrap ({fault})")
        pytest.skip("apt-get install bubblewrap")


def new_runner(data: Path, isolation: str) -> ProcessRunner:
    if isolation == "sandbox":
        need_sandbox()
    return ProcessRunner(SETTINGS, data, find_bubblewrap() if isolation == "sandbox" else None)


@dataclass
class Keeper:
    runner: ProcessRunner
    store: BodyStore
    data: Path
    starts: int = 0
    endings: list[Ending] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    @asynccontextmanager
    async def engine(self, animal: str, hardware: Hardware = HARDWARE) -> AsyncIterator[tuple[Replica, Frames]]:
        """A replica that is not loaded yet. It is ended in any case, and its ending kept."""
        running = await self.runner.start(self.launch(animal, hardware))
        self.logs.append(running.log)
        frames = Frames(running.connection, self.store, SETTINGS.output)
        try:
            yield running, frames
        finally:
            frames.close()
            async with asyncio.timeout(10):
                self.endings.append(await running.stop(0.2))

    def launch(
        self, animal: str, hardware: Hardware = HARDWARE, environment: tuple[tuple[str, str], ...] = ()
    ) -> Launch:
        self.starts += 1
        name, _, entry = animal.partition(":")
        return Launch(
            name=f"{name}-{self.starts}",
            folder=str(ZOO),
            python=sys.executable,
            entry=f"{name}.py:{entry or 'Model'}",
            hardware=hardware,
            environment=environment,
        )

    async def ask(self, animal: str, *texts: bytes, timeout: float = 1.0, hardware: Hardware = HARDWARE) -> list[str]:
        """For each input "fine" or why not. A suspect is given up at once; those that only waited are asked again."""
        said: dict[int, str] = {}
        suspects: list[list[int]] = [list(range(len(texts)))]
        while suspects:
            turn = suspects.pop(0)
            answered: list[Answer] = []
            try:
                async with self.engine(animal, hardware) as (_, frames):
                    await frames.ready(10)
                    questions = [Question({"input.txt": texts[index]}) for index in turn]
                    async for answer in frames.run(questions, timeout):
                        said[turn[len(answered)]] = answer.error or text(answer)
                        answered.append(answer)
            except (LimitReached, ReplicaLost) as error:
                blamed = turn[len(answered) : len(answered) + error.together]
                if len(blamed) == 1:
                    said[blamed[0]] = f"{error.message}: {self.endings[-1].sentence}"
                    blamed = []
                rest = [index for index in turn[len(answered) :] if index not in said and index not in blamed]
                suspects += [[index] for index in blamed] + ([rest] if rest else [])
        return [said[index] for index in range(len(texts))]


def text(answer: Answer) -> str:
    if list(answer.outputs) == ["results.json"] and answer.outputs["results.json"].body == b'{"fine": true}':
        return "fine"
    return str({name: output.body for name, output in answer.outputs.items()})


async def answers(frames: Frames, questions: Sequence[Question], timeout: float = 5.0) -> list[Answer]:
    return [answer async for answer in frames.run(questions, timeout)]


def pids_with(marker: str) -> list[int]:
    """Processes of this machine whose command line holds the marker."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if marker.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
