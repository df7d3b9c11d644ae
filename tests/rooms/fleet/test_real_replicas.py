"""The fleet with real processes: a model that dies, hangs, eats memory or never loads costs only its own input."""

import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from rooms.fleet.acting import ask
from rooms.fleet.stage import RECIPE, stage

from headrace.dialects.frames import Frames
from headrace.domain.errors import LimitReached, ModelFailed
from headrace.domain.replica import Hardware
from headrace.domain.version import Requirement, Timeout
from headrace.runners.process import ProcessRunner
from headrace.settings import RunnerSettings
from headrace.storage.blobs import FolderBlobs

MODEL = """
import os, time

class Model:
    def load(self):
        print("loading")
        if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
            raise RuntimeError("weights are missing")

    def predict(self, inputs):
        text = inputs["input.txt"].decode()
        if text == "die":
            print("about to die", flush=True)
            os._exit(3)
        if text == "hang":
            time.sleep(60)
        if text == "eat":
            held = []
            while True:
                held.append(bytearray(os.urandom(1 << 20)) * 8)
                time.sleep(0.01)
        if text == "no":
            raise ValueError("it says no")
        return {"results.json": {"said": text.upper()}}
"""
SMALL = Requirement(hardware=Hardware(1_000, 200 << 20))


@asynccontextmanager
async def real(folder):
    model = folder / "models" / "shout"
    model.mkdir(parents=True)
    (model / "model.py").write_text(MODEL)
    runner = ProcessRunner(RunnerSettings(), folder, None)
    blobs = FolderBlobs(folder / "blobs", b"k" * 32)
    async with stage(folder, runner, lambda connection, told: Frames(connection, blobs, 1 << 20, told)) as here:
        yield (
            here,
            await here.version(recipe=interpreter_below(folder), requirement=SMALL, timeout=Timeout(20_000, 2_000)),
        )


def interpreter_below(folder):
    return replace(RECIPE, environment=os.path.relpath(sys.executable, folder))


async def said(here, key, text, timeout=2.0):
    answer = await here.ask.one(key, ask(text), patience=20, timeout=timeout)
    return answer.error or bytes(answer.outputs["results.json"].body).decode()


async def test_a_real_model_answers(tmp_path) -> None:
    async with real(tmp_path) as (here, key):
        assert '{"said": "HELLO"}' == await said(here, key, "hello")
        assert "it says no" in await said(here, key, "no")
        assert (1, 2) == (here.fleet.status(key).ready, here.ask.counts[key].answers + here.ask.counts[key].errors)


async def test_a_real_model_that_dies_says_how_and_the_next_input_is_served(tmp_path) -> None:
    async with real(tmp_path) as (here, key):
        assert '{"said": "A"}' == await said(here, key, "a")
        with pytest.raises(ModelFailed, match=r"exited with code 3; the last line of its log: about to die"):
            await said(here, key, "die")
        assert '{"said": "B"}' == await said(here, key, "b")


async def test_a_real_model_that_hangs_is_stopped_at_its_limit(tmp_path) -> None:
    async with real(tmp_path) as (here, key):
        with pytest.raises(LimitReached, match=r"did not answer within 0\.2 s"):
            await said(here, key, "hang", timeout=0.2)
        assert '{"said": "B"}' == await said(here, key, "b")


async def test_a_real_model_that_eats_memory_is_told_so(tmp_path) -> None:
    async with real(tmp_path) as (here, key):
        answer = await failure(said(here, key, "eat", timeout=20))
        assert "memory" in str(answer).lower()


async def test_a_real_model_that_does_not_load_says_why(tmp_path) -> None:
    async with real(tmp_path) as (here, key):
        (tmp_path / "models" / "shout" / "broken").touch()
        async with here.fleet.hold(key) as held:
            with pytest.raises(ModelFailed, match="weights are missing"):
                await held.ready(20)


async def failure(call):
    with pytest.raises(ModelFailed) as caught:
        await call
    return caught.value
