"""Files whose pieces come to several servers that share nothing but rows and bodies."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import pytest
from rooms.jobs.house import ANN, job_house
from sqlalchemy import select

from headrace.domain.body import BlobRef, whole
from headrace.domain.errors import Conflict, StorageFailed, TooLarge
from headrace.domain.job import JobState, NewJob
from headrace.domain.source import SourceKind
from headrace.jobs import frames, upload_rows
from headrace.jobs.piece_bodies import PieceBodies
from headrace.jobs.tables import chunk, upload_piece
from headrace.jobs.uploads import Uploads
from headrace.settings import JobSettings

FILE = ("big", "input.txt")


async def pieces(*parts):
    for part in parts:
        yield part


@asynccontextmanager
async def two_servers(folder):
    """The rooms of one, and the uploads of each."""
    async with job_house(folder, JobSettings(piece=500_000), loops=False) as house:
        stores = [PieceBodies(house.room.database, house.blobs) for _ in range(2)]
        yield house, *(Uploads(house.room, house.submit, house.blobs, store) for store in stores)


async def opened(house):
    return await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))


async def body(house, name):
    """Of an input, as its job has stored it."""
    rows = await house.room.database.read(lambda tx: list(tx.scalars(select(chunk.c.payload))))
    found = {one.name: one.bodies for row in rows for one in frames.unpack_inputs(row)}
    return found[name]["input.txt"]


async def stored(house):
    return await house.room.database.read(lambda tx: list(tx.scalars(upload_piece.select())))


async def test_each_takes_pieces_and_either_closes(tmp_path):
    parts = [secrets.token_bytes(size) for size in (100, 200_000, 1, 64 * 1024, 64 * 1024 + 1)]
    async with two_servers(tmp_path) as (house, one, two):
        job = await opened(house)
        for number, part in enumerate(parts):
            await (one, two)[number % 2].append(ANN, job.id, FILE, pieces(part[:50], part[50:]))
        await two.append(ANN, job.id, FILE, pieces())  # nothing more
        await one.append(ANN, job.id, ("small", "input.txt"), pieces(b"abc"))
        kept = await house.room.database.read(upload_rows.kept_pieces)
        closed = await two.close(ANN, job.id)

        assert (JobState.SUBMITTED, 2) == (closed.state, closed.total)
        assert 2 == len(kept)  # of 200,000 and of 64 KiB and 1; the sweep must leave them
        assert await stored(house) == []
        assert await house.room.database.read(upload_rows.kept_pieces) == set()
        big = await body(house, "big")
        assert b"".join(parts) == await whole(big, house.blobs)


async def test_a_file_of_one_piece_is_that_piece(tmp_path):
    async with two_servers(tmp_path) as (house, one, two):
        job, content = await opened(house), secrets.token_bytes(300_000)
        await one.append(ANN, job.id, FILE, pieces(content))
        [digest] = await house.room.database.read(upload_rows.kept_pieces)
        await two.close(ANN, job.id)
        assert BlobRef(digest, 300_000) == await body(house, "big")


async def test_of_two_that_take_a_piece_at_the_same_time_one_is_refused(tmp_path):
    async with two_servers(tmp_path) as (house, one, two):
        job, begun, door = await opened(house), asyncio.Event(), asyncio.Event()
        await one.append(ANN, job.id, FILE, pieces(b"1"))

        async def slow():
            begun.set()  # the size of the file is known
            yield b"2"
            await door.wait()

        late = asyncio.ensure_future(one.append(ANN, job.id, FILE, slow()))
        await begun.wait()
        await two.append(ANN, job.id, FILE, pieces(b"2", b"3"))
        door.set()
        with pytest.raises(Conflict, match="one after the other"):
            await late
        await two.close(ANN, job.id)
        assert b"123" == await body(house, "big")


async def test_what_is_not_whole_is_not_taken(tmp_path):
    async with two_servers(tmp_path) as (house, one, two):
        job = await opened(house)
        for size in (500_001, 1_000_000):
            with pytest.raises(TooLarge, match="smaller pieces"):
                await one.append(ANN, job.id, FILE, pieces(bytes(size)))
        await one.append(ANN, job.id, FILE, pieces(b"a"))
        await two.append(ANN, job.id, FILE, pieces(b"b"))
        await house.room.database.write(lambda tx: tx.execute(upload_piece.delete().where(upload_piece.c.first == 1)))
        with pytest.raises(StorageFailed, match="shorter"):
            await one.close(ANN, job.id)


async def test_pieces_go_with_a_job_that_is_cancelled(tmp_path):
    async with two_servers(tmp_path) as (house, one, _):
        job = await opened(house)
        await one.append(ANN, job.id, FILE, pieces(bytes(100_000)))
        await house.cancel.cancel(ANN, job.id)
        assert await stored(house) == []
