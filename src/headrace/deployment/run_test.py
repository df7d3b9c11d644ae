"""The run test: the test files go through the hall as one question; the answer becomes the version's samples."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from headrace import faults
from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment import samples
from headrace.deployment.load_test import ROOM
from headrace.deployment.steps import Progress, StepKind
from headrace.deployment.trial import completed, untried
from headrace.domain.body import INLINE, Body, size_of
from headrace.domain.clock import Millis, now
from headrace.domain.errors import HeadraceError, ModelFailed, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Output, Question
from headrace.domain.version import OutputSpec, RunResult, Step, StepState, Version
from headrace.fleet.reconcile import Fleet
from headrace.inference.ask import Ask, only
from headrace.inference.validate import refusal

LONGEST_ERROR = 4_000  # characters

# The names and percentages are documented (contracts/modzy.md, B.2).
_LOADING = (1, "Loading model", 0)
_FETCHING = (2, "Fetching inputs", 25)
_SUBMITTING = (3, "Submitting inputs", 50)
_RECORDING = (4, "Recording outputs", 75)
_COMPLETED = (5, "Completed", 100)


class RunTest:
    def __init__(self, versions: Versions, test_inputs: TestInputs, fleet: Fleet, ask: Ask) -> None:
        self._versions, self._test_inputs = versions, test_inputs
        self._fleet, self._ask = fleet, ask

    async def work(self, key: VersionKey) -> None:
        """Raises StorageFailed; any other end is written into the version."""
        progress = Progress(self._versions, StepKind.RUN, key)
        started = now()
        bodies: Mapping[str, Body] = {}
        try:
            await progress.tell(*_LOADING)
            version = await self._versions.get(key)
            async with self._fleet.hold(key) as held:
                proof = await held.ready(version.timeout.status / 1000 + ROOM)
                await progress.tell(*_FETCHING)
                bodies = await asyncio.to_thread(completed, version, await self._test_inputs.all(key))
                if untried(version, bodies):
                    await progress.end(lambda draft: _loaded_only(draft, proof.engine, started))
                    return
                _check(version, bodies)
                await progress.tell(*_SUBMITTING)
                engine, answer = await self._asked(version, bodies)
                faults.point("run.answered")
            await progress.tell(*_RECORDING)
        except StorageFailed:
            raise
        except HeadraceError as error:
            failed = _failed(error.message, started, bodies)
            await progress.end(lambda draft: _ended(draft, failed, bodies, {}))
            return
        faults.point("run.recorded")
        result = _result(engine or proof.engine, answer, bodies)
        await progress.end(lambda draft: _ended(draft, result, bodies, answer.outputs))

    async def _asked(self, version: Version, bodies: Mapping[str, Body]) -> tuple[str, Answer]:
        async with self._ask.seat(version.key, ROOM) as seat:
            return seat.engine, await only(seat, Question(bodies), version.timeout.run / 1000)


def _check(version: Version, bodies: Mapping[str, Body]) -> None:
    if sentence := refusal(version, bodies):
        raise ModelFailed(sentence)


def _ended(version: Version, result: RunResult, bodies: Mapping[str, Body], outputs: Mapping[str, Output]) -> Version:
    """A failed test is complete too: its result says that it failed."""
    good = result.error is None
    state = StepState.DONE if good else StepState.FAILED
    tested = replace(version, run=Step(state, *_COMPLETED, result.error or ""), run_result=result)
    if not good:
        return tested
    return replace(
        tested,
        outputs=version.outputs or tuple(OutputSpec(name, one.media_type) for name, one in outputs.items()),
        sample_input=samples.sample_input(version.key, bodies),
        sample_output=samples.sample_output(result),
    )


def _loaded_only(version: Version, engine: str, started: Millis) -> Version:
    """It has loaded and was asked nothing, which its result tells: no bytes went in, and no outputs came."""
    at = now()
    result = RunResult("SUCCESSFUL", engine, None, started, at, at, 0, 0)
    return replace(version, run=Step(StepState.DONE, *_COMPLETED), run_result=result)


def _result(engine: str, answer: Answer, bodies: Mapping[str, Body]) -> RunResult:
    error = None if answer.error is None else answer.error[:LONGEST_ERROR]
    return RunResult(
        status="SUCCESSFUL" if error is None else "FAILED",
        engine=engine,
        error=error,
        started=answer.started,
        updated=answer.ended,
        ended=answer.ended,
        input_size=sum(size_of(body) for body in bodies.values()),
        elapsed=answer.ended - answer.started,
        outputs=tuple((name, one.media_type, _text(one)) for name, one in answer.outputs.items()),
    )


def _failed(error: str, started: Millis, bodies: Mapping[str, Body]) -> RunResult:
    at = now()
    size = sum(size_of(body) for body in bodies.values())
    return RunResult("FAILED", "", error[:LONGEST_ERROR], started, at, at, size, at - started)


def _text(output: Output) -> str:
    """What can be shown: text and JSON of a size that fits into a row."""
    if not isinstance(output.body, bytes) or len(output.body) > INLINE:
        return ""
    if output.media_type.startswith("text/") or "json" in output.media_type:
        return output.body.decode(errors="replace")
    return ""
