"""What a loaded model says of its tensors is kept with its version, until another image takes its place."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rooms.deployment.shelved import works
from rooms.fleet.acting import Shout

from headrace.deployment import zeros
from headrace.deployment.trial import completed
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import InputSpec, StepState, Version, VersionStatus

VERSION = Version(VersionKey("m", "1.0.0"), VersionStatus.PARTIAL, 0, 0, "a@b.c")

TENSORS = TensorModel(
    "onnxruntime_onnx", (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 3)),), 64, (("k", "v"),)
)


class Tensors(Shout):
    async def ready(self, _timeout: float) -> ReplicaInfo:
        return ReplicaInfo(64, ("x",), ("y",), TENSORS)


async def test_tensors_are_kept(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        here.runner.play = Tensors
        await here.deployment.load(key)
        assert TENSORS == (await here.versions.get(key)).tensors

        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        assert None is (await here.versions.get(key)).tensors


async def test_a_model_of_files_has_none(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.deployment.load(key)
        assert None is (await here.versions.get(key)).tensors


class Asked(Tensors):
    tensors = TENSORS

    async def ready(self, _timeout: float) -> ReplicaInfo:
        names = tuple(spec.name for spec in self.tensors.inputs)
        return ReplicaInfo(64, names, (), self.tensors)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        for question in questions:
            async for answer in super().run(
                [Question({"input.txt": one}) for one in question.inputs.values()], timeout
            ):
                yield answer


class Untyped(Asked):
    tensors = TensorModel("mlserver")


async def test_a_model_of_tensors_without_a_test_file_is_asked_with_zeros(tmp_path) -> None:
    async with works(tmp_path) as here:
        here.runner.play = Asked
        version = await run(here, {})
        assert "SUCCESSFUL" == version.run_result.status
        request = json.loads(json.loads(version.sample_input)["input"]["sources"]["0001"]["request.json"])
        assert [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0, 0, 0, 0]}] == request["inputs"]


async def test_zeros_are_made_once(tmp_path, monkeypatch) -> None:
    made = []

    def counted(*arguments):
        made.append(zeros.completed(*arguments))
        return made[-1]

    monkeypatch.setattr("headrace.deployment.trial.zeros", SimpleNamespace(**vars(zeros) | {"completed": counted}))
    async with works(tmp_path) as here:
        here.runner.play = Asked
        assert "SUCCESSFUL" == (await run(here, {})).run_result.status
    assert [{"request.json"}] == [found.keys() for found in made]


async def test_a_model_that_declares_no_tensors_has_only_to_load(tmp_path) -> None:
    async with works(tmp_path) as here:
        here.runner.play = Untyped
        version = await run(here, {})
        result = version.run_result
        assert ("SUCCESSFUL", 0, ()) == (result.status, result.input_size, result.outputs)
        assert (StepState.DONE, "") == (version.run.state, version.sample_input)
        assert (await here.deployment.change_status(version.key, VersionStatus.ACTIVE)).active


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'{"inputs": [', r"test file request\.json is not JSON: Expecting value: line 1 column 13"),
        (b'{"instances": [[1]]}', r"test file request\.json is not an Open Inference request: it has no list `inputs`"),
    ],
)
async def test_a_test_request_that_is_none_is_refused_before_it_is_asked(tmp_path, text, sentence) -> None:
    async with works(tmp_path) as here:
        here.runner.play = Untyped
        with pytest.raises(Invalid, match=sentence):
            await run(here, {"request.json": text})


def test_zeros_stand_in_for_what_was_not_given() -> None:
    specs = (TensorSpec("a", "INT64", (-1, 2)), TensorSpec("b", "BYTES", (1,)), TensorSpec("c", "BOOL", (1,)))
    version = replace(VERSION, inputs=tuple(InputSpec(one.name) for one in specs), tensors=TensorModel("p", specs))

    assert {"a": b"[[0,0]]", "b": b"hi", "c": b"[false]"} == completed(version, {"b": b"hi"})
    whole = b'{"inputs": []}'
    assert {"request.json": whole} == completed(version, {"request.json": whole})
    assert {} == completed(VERSION, {})  # a model of files
    huge = replace(version, tensors=TensorModel("p", (TensorSpec("a", "FP32", (1 << 13, 1 << 13)),)))
    with pytest.raises(Invalid, match="zeros for its inputs would be"):
        completed(huge, {})


async def run(here, given):
    key = await here.loaded_draft()
    await here.change(key, inputs=(), outputs=())
    await here.deployment.load(key)
    for name, body in given.items():
        await here.test_inputs.put(key, name, name, body)
    await here.deployment.run(key)
    await here.until_version(key, lambda version: version.run.percentage == 100)
    return await here.versions.get(key)
