"""The writer thread: all or nothing for each caller, one commit for many, readers that never wait."""

import asyncio
import sqlite3
import threading

import pytest
from sqlalchemy import text

from headrace.domain.errors import Conflict, StorageFailed
from headrace.storage.sqlite import Sqlite


@pytest.fixture
async def database(tmp_path):
    database = Sqlite(tmp_path / "headrace.db")
    await database.write(lambda tx: tx.execute(text("create table t (n integer primary key)")))
    yield database
    database.close()


def add(n):
    return lambda tx: tx.execute(text("insert into t values (:n)"), {"n": n}).rowcount


def count(tx):
    return tx.scalar(text("select count(*) from t"))


async def test_what_write_returned_is_in_the_file(database, tmp_path):
    assert 1 == await database.write(add(1))

    other = sqlite3.connect(tmp_path / "headrace.db")
    assert (1,) == other.execute("select count(*) from t").fetchone()
    other.close()


async def test_commits_are_counted_and_reads_are_not(database):
    before = database.commits
    await database.read(count)
    assert before == database.commits

    await database.write(add(1))
    assert before < database.commits


async def test_what_is_counted_can_be_read(database):
    """Whoever sees that the count stood still since before his last read has missed nothing."""
    writing = asyncio.ensure_future(asyncio.wait([asyncio.ensure_future(database.write(add(n))) for n in range(200)]))
    known, seen = -1, None
    while not writing.done() or known != database.commits:
        before = database.commits
        if before != known:
            known, seen = before, await database.read(count)
        else:
            await asyncio.sleep(0)

    assert 200 == seen


async def test_the_log_is_synced_at_each_commit(database):
    assert ("wal", 2) == await database.write(
        lambda tx: (tx.scalar(text("pragma journal_mode")), tx.scalar(text("pragma synchronous")))
    )


async def test_a_failing_transaction_leaves_its_neighbours_alone(database):
    def half(tx):
        add(2)(tx)
        raise Conflict("no")

    answers = await asyncio.gather(*(database.write(one) for one in (add(1), half, add(3))), return_exceptions=True)

    assert [1, 1] == [answers[0], answers[2]]
    assert isinstance(answers[1], Conflict)
    assert [1, 3] == list(await database.read(lambda tx: list(tx.scalars(text("select n from t order by n")))))


async def test_waiting_callers_share_a_commit(database):
    gate, commits = threading.Event(), []

    def block(tx):
        gate.wait(5)
        tx.connection.dbapi_connection.set_trace_callback(
            lambda statement: commits.append(statement) if statement.lower().startswith("commit") else None
        )

    first = asyncio.ensure_future(database.write(block))
    rest = [asyncio.ensure_future(database.write(add(n))) for n in range(100)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *rest)

    assert 100 == await database.read(count)
    assert len(commits) <= 3


async def test_readers_see_a_consistent_view_while_a_writer_is_at_work(database):
    begun, release = threading.Event(), threading.Event()

    def slow(tx):
        add(1)(tx)
        begun.set()
        release.wait(5)

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.to_thread(begun.wait, 5)
    assert 0 == await database.read(count)
    release.set()
    await writing
    assert 1 == await database.read(count)


async def test_a_full_disk_is_told_and_passes(database):
    limit = await database.read(lambda tx: tx.scalar(text("pragma page_count")))
    await database.write(lambda tx: tx.execute(text("create table big (b blob)")))
    await database.write(lambda tx: tx.execute(text(f"pragma max_page_count={limit + 4}")).all())

    huge, small = await asyncio.gather(
        database.write(lambda tx: tx.execute(text("insert into big values (zeroblob(1000000))"))),
        database.write(add(7)),
        return_exceptions=True,
    )
    assert isinstance(huge, StorageFailed)
    assert "full" in str(huge)
    assert 1 == small  # its neighbour fitted, so it is stored
    assert 1 == await database.read(count)

    await database.write(lambda tx: tx.execute(text("pragma max_page_count=100000")).all())
    assert 1 == await database.write(add(1))
