"""Images under the three contracts, in podman, in docker and without an engine: what each tells, takes and gives."""

import json

import pytest
from engines.boxes.keeper import BoxKeeper

from headrace.dialects.dialect import Told
from headrace.domain.image import Contract
from headrace.domain.question import Fault, Form, Question
from headrace.runners.log import tail

EVERYWHERE = pytest.mark.parametrize("kind", ["podman", "docker", "rootfs"])
TOLD = Told("zoo", "1.0.0", ("input.txt",), ("results.json",))
REST = b'{"id":"7","inputs":[{"name":"input.txt","shape":[2],"datatype":"BYTES","data":["good","good"]}]}'


@EVERYWHERE
async def test_the_first_contract(boxes: BoxKeeper) -> None:
    async with boxes.box(boxes.zoo.http(), TOLD) as (running, dialect):
        info = await dialect.ready(60)
        answers = [answer async for answer in dialect.run([Question({"input.txt": b"good"})] * 2, 30)]
        await dialect.leave(5)
        ending = await running.ended()

    assert (Contract.MODZY_HTTP, 8080, 1) == (info.contract, info.port, info.batch_size)
    assert [b'{"fine": true}'] * 2 == [answer.outputs["results.json"].body for answer in answers]
    assert ["application/json"] * 2 == [answer.outputs["results.json"].media_type for answer in answers]
    assert 0 == ending.code
    assert "hello from the model\nasked to shut down\n" == tail(running.log)


@EVERYWHERE
async def test_the_second_contract(boxes: BoxKeeper) -> None:
    async with boxes.box(boxes.zoo.grpc(), TOLD) as (running, dialect):
        info = await dialect.ready(60)
        questions = [Question({"input.txt": text}) for text in [b"good"] * 6]
        answers = [answer async for answer in dialect.run(questions, 30)]
        await dialect.leave(5)
        await running.stop(3)

    assert (Contract.MODZY_GRPC, 45000, 4) == (info.contract, info.port, info.batch_size)
    assert (("input.txt",), ("results.json",)) == (info.inputs, info.outputs)
    assert [b'{"fine": true}'] * 6 == [answer.outputs["results.json"].body for answer in answers]
    assert "hello from the model\nasked to shut down\n" == tail(running.log)


async def test_what_status_tells_prefills_the_version(boxes: BoxKeeper) -> None:
    async with boxes.box(boxes.zoo.grpc(), TOLD) as (_, dialect):
        claims = (await dialect.ready(60)).claims

    assert claims is not None
    assert (("input.txt", "text/plain,text/csv", 1_000_000, "any"),) == claims.inputs
    assert (("results.json", "application/json", 2_000_000, ""),) == claims.outputs
    assert (30_000, 5_000) == (claims.status_timeout, claims.run_timeout)


async def test_a_batch_is_one_call_and_flags_are_passed_on(boxes: BoxKeeper) -> None:
    """The model says that it knows drift, so drift is asked for; explanations when the job asks for them."""
    async with boxes.loaded(boxes.zoo.grpc(), TOLD) as box:
        together = await box.answers([Question({"input.txt": b"together"})] * 3)
        flags = await box.answers(
            [Question({"input.txt": b"flags"}, explain=explain) for explain in (False, True, True)]
        )
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        explained = await box.answers(
            [Question({"input.txt": b"explains"}, explain=explain) for explain in (False, True)]
        )

    assert [{"together": 3}] * 3 == [json.loads(one.outputs["results.json"].body) for one in together]
    assert [{"explain": flag, "drift": 1} for flag in (0, 1, 1)] == [
        json.loads(one.outputs["results.json"].body) for one in flags
    ]
    assert [None, True] == [json.loads(one.outputs["results.json"].body)["data"]["explanation"] for one in explained]


@EVERYWHERE
async def test_the_open_inference_protocol_is_passed_through(boxes: BoxKeeper) -> None:
    body = b'{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2.5]}]}'
    wrong = b'{"inputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[1]}]}'
    async with boxes.box(boxes.zoo.oip(), Told("mine", "1.0.0")) as (_, dialect):
        info = await dialect.ready(60)
        questions = [Question({"": one}, Form.V2_REST) for one in (body, wrong)]
        good, bad = [answer async for answer in dialect.run(questions, 30)]

    assert (Contract.OIP, "tiny") == (info.contract, info.tensors.platform)
    assert [("x", "FP32", (-1,)), ("s", "BYTES", (-1,))] == [
        (one.name, one.datatype, one.shape) for one in info.tensors.inputs
    ]
    assert [2, 5] == json.loads(good.outputs[""].body)["outputs"][0]["data"]
    assert ("unexpected input y", Fault.REQUEST) == (bad.error, bad.fault)


async def test_files_become_tensors_for_the_open_inference_protocol(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.oip()) as box:
        [files] = await box.answers([Question({"x": b"[1, 2, 3]", "s": b"abc\xff"})])
        [unknown] = await box.answers([Question({"y": b"[1]"})])

    assert {"x": b"[2.0, 4.0, 6.0]", "s": b"\xffcba"} == {name: one.body for name, one in files.outputs.items()}
    assert "the model has no input 'y'; it has x, s" == unknown.error


@pytest.mark.parametrize("contract", ["http", "grpc"])
async def test_inputs_are_bytes_tensors(boxes: BoxKeeper, contract: str) -> None:
    """As with model folders: the same readers, the same words."""
    async with boxes.loaded(getattr(boxes.zoo, contract)(), TOLD) as box:
        [good] = await box.answers([Question({"": REST}, Form.V2_REST, meta={"model": "zoo"})])
        [bad] = await box.answers([Question({"": REST[:-3]}, Form.V2_REST, meta={"model": "zoo"})])
        other = REST.replace(b"input.txt", b"other.txt")
        [odd] = await box.answers([Question({"": other}, Form.V2_REST, meta={"model": "zoo"})])

    body = json.loads(good.outputs[""].body)
    assert ("7", "zoo", "1.0.0") == (body["id"], body["model_name"], body["model_version"])
    assert ['{"fine": true}'] * 2 == body["outputs"][0]["data"]
    assert bad.error.startswith("failed to parse the request JSON buffer")
    assert "unexpected inference input 'other.txt' for model 'zoo'" in odd.error
    assert [Fault.REQUEST, Fault.REQUEST] == [bad.fault, odd.fault]


@EVERYWHERE
async def test_large_outputs_are_stored_and_small_ones_are_not(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http()) as box:
        [answer] = await box.answers([Question({"input.txt": b"large"})])

    small, large = answer.outputs["results.json"].body, answer.outputs["large.bin"].body
    assert b'{"fine": true}' == small
    assert b"x" * (5 << 20) == b"".join([piece async for piece in boxes.store.pieces(large)])


async def test_a_large_input_is_a_file(boxes: BoxKeeper) -> None:
    async def pieces():
        yield b"good"
        yield b" " * (1 << 20)

    stored = await boxes.store.put(pieces(), 1 << 21)
    async with boxes.loaded(boxes.zoo.http()) as box:
        [answer] = await box.answers([Question({"input.txt": b"good", "second.bin": stored})])

    assert b'{"fine": true}' == answer.outputs["results.json"].body
