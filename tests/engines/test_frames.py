"""The frame protocol with a real model at the other end: bodies of every size, media types, explanations."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from engines.keeper import SETTINGS, ZOO, Keeper, answers

from headrace.dialects.frames import Frames
from headrace.domain.body import INLINE, BlobRef, Body, whole
from headrace.domain.errors import ReplicaLost, StorageFailed
from headrace.domain.question import Output, Question
from headrace.domain.replica import Hardware

ROOMY = Hardware(memory_bytes=1 << 30)


async def kept(keeper: Keeper, content: bytes) -> Body:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    return await keeper.store.put(pieces(), len(content)) if len(content) > INLINE else content


@pytest.fixture
async def frames(plain: Keeper) -> AsyncIterator[Frames]:
    async with plain.engine("carries", ROOMY) as (_, frames):
        await frames.ready(10)
        yield frames


SIZES = [0, 1, 1_000, INLINE - 1, INLINE, INLINE + 1, 300_000, 5 << 20, 20 << 20]


@pytest.mark.parametrize("size", SIZES)
async def test_a_body_of_any_size_goes_there_and_back(plain, frames, size: int) -> None:
    content = os.urandom(size)

    [answer] = await answers(frames, [Question({"input": await kept(plain, content)})])

    body = answer.outputs["input.bin"].body
    assert isinstance(body, BlobRef) == (size > INLINE)
    assert content == await whole(body, plain.store)
    assert "application/octet-stream" == answer.outputs["input.bin"].media_type


async def test_bodies_of_all_sizes_together(plain, frames) -> None:
    contents = [[os.urandom(size) for size in SIZES if size < 6 << 20] for _ in range(3)]
    questions = [
        Question({f"{number}": await kept(plain, content) for number, content in enumerate(row)}) for row in contents
    ]

    given = await answers(frames, questions, timeout=20)

    for row, answer in zip(contents, given, strict=True):
        assert row == [await whole(answer.outputs[f"{number}.bin"].body, plain.store) for number in range(len(row))]


async def test_much_in_and_much_out_at_once(plain, frames) -> None:
    """More than all buffers between the two: who only wrote, or only read, would wait for ever."""
    body = await kept(plain, os.urandom(8 << 20))

    given = await answers(frames, [Question({"input": body})] * 8, timeout=20)

    assert [body] * 8 == [answer.outputs["input.bin"].body for answer in given]


async def test_a_replica_leaves_nothing_in_the_folder_of_its_model(plain, tmp_path) -> None:
    """No compiled files either: nobody fsyncs them, and after a power cut the next replica would read half of one."""
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copyfile(ZOO / "carries.py", folder / "beside.py")
    (folder / "carries.py").write_text("import beside\n" + (ZOO / "carries.py").read_text())
    running = await plain.runner.start(replace(plain.launch("carries", ROOMY), folder=str(folder)))
    frames = Frames(running.connection, plain.store, SETTINGS.output)
    try:
        await frames.ready(10)
    finally:
        frames.close()
        await running.stop(0.2)

    assert ["beside.py", "carries.py"] == sorted(path.name for path in folder.iterdir())


async def test_a_thousand_small_questions(frames) -> None:
    questions = [Question({"input": f"{number}".encode()}) for number in range(1_000)]

    for _ in range(3):
        given = await answers(frames, questions)
        assert [f"{number}".encode() for number in range(1_000)] == [
            answer.outputs["input.bin"].body for answer in given
        ]


async def test_times_are_those_of_the_model(frames) -> None:
    [answer] = await answers(frames, [Question({"input": b"x"})])

    assert answer.started <= answer.ended <= answer.started + 1_000
    assert 0 < answer.latency < 1_000


async def test_no_question_is_no_answer(frames) -> None:
    assert [] == await answers(frames, [])
    assert 1 == len(await answers(frames, [Question({"input": b"x"})]))


async def test_outputs_over_the_limit_together(plain, frames) -> None:
    body = await kept(plain, bytes(SETTINGS.output // 2))

    first, second = await answers(frames, [Question({"a": body, "b": body}), Question({"a": b"x"})], timeout=20)

    assert f"the limit is {SETTINGS.output} bytes" in str(first.error)
    assert second.error is None


async def test_a_body_that_is_gone(plain, frames) -> None:
    body = await kept(plain, bytes(1 << 20))
    await plain.store.delete(body.digest)

    with pytest.raises(Exception, match="no longer stored"):
        await answers(frames, [Question({"a": body})])
    with pytest.raises(ReplicaLost):
        await answers(frames, [Question({"a": b"x"})])


async def test_a_disk_that_is_full_is_our_fault_and_not_the_models(plain, frames) -> None:
    async def refuse(_pieces: AsyncIterator[bytes], _at_most: int) -> BlobRef:
        raise StorageFailed("the disk is full")

    body = await kept(plain, bytes(1 << 20))
    plain.store.put = refuse

    with pytest.raises(StorageFailed):
        await answers(frames, [Question({"a": body})])


async def explained(keeper: Keeper, *texts: bytes, explain: bool = False) -> list[dict[str, Output]]:
    async with keeper.engine("explains") as (_, frames):
        await frames.ready(10)
        questions = [Question({"input.txt": text}, explain=explain) for text in texts]
        return [dict(answer.outputs) for answer in await answers(frames, questions)]


async def test_what_a_model_may_return(plain) -> None:
    text, outputs, raw, nan, plain_dict = await explained(plain, b"text", b"outputs", b"bytes", b"nan", b"other")

    assert {"results.json": Output(b'"just text"', "application/json")} == text
    assert {
        "results.json": Output(b'{"a": 1}', "application/json"),
        "note.txt": Output(b"plain", "text/plain"),
        "map.bin": Output(b"\x00\xff", "application/octet-stream"),
        "table.json": Output(b"[1, 2]", "application/json"),
    } == outputs
    assert {"mask": "application/octet-stream", "other": "text/plain"} == {
        name: output.media_type for name, output in raw.items()
    }
    assert b'{"score": null, "more": [null, 1.5]}' == nan["results.json"].body
    assert b'{"label": "cat", "explain": false}' == plain_dict["results.json"].body


async def test_an_explanation_is_asked_for_where_the_model_can(plain) -> None:
    [answer] = await explained(plain, b"x", explain=True)
    assert b'{"label": "cat", "explain": true}' == answer["results.json"].body

    async with plain.engine("raises") as (_, frames):
        await frames.ready(10)
        [given] = await answers(frames, [Question({"input.txt": b"x"}, explain=True)])
    assert given.error is None


async def test_what_a_model_says_of_itself(plain) -> None:
    async with plain.engine("batches") as (_, frames):
        assert 16 == (await frames.ready(10)).batch_size
    async with plain.engine("carries") as (_, frames):
        info = await frames.ready(10)
        assert (1, ("copy",)) == (info.batch_size, info.outputs)
