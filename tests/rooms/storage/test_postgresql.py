"""PostgreSQL under the rooms: lanes, group commits, retries, and a database that goes away and comes back."""

import asyncio
import threading
import time

import pytest
from postgres import DEBIAN, INSTALL, Postgres, wheel
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from headrace.domain.errors import Conflict, Invalid, StorageFailed, Unsupported
from headrace.settings import StorageSettings
from headrace.storage.opening import connect, open_database
from headrace.storage.postgresql import connecting
from headrace.storage.postgresql.database import Postgres as Database


def opened(url, **settings):
    return connect(StorageSettings(url=url, **settings), None)


@pytest.fixture(params=["newest", "oldest"])
async def url(request):
    """A table of numbers in an otherwise empty database, of the wheel's and of Debian's PostgreSQL."""
    databases = request.getfixturevalue("postgresql" if request.param == "newest" else "debian")
    url = databases.empty()
    databases.server.sql("create table t (n bigint primary key, v bigint not null default 0)", database=name_of(url))
    return url


@pytest.fixture
async def database(url):
    database = opened(url)
    yield database
    database.close()


def name_of(url):
    return connecting.parse(url).database


def add(n):
    return lambda tx: tx.execute(text("insert into t values (:n)"), {"n": n}).rowcount


def numbers(tx):
    return list(tx.scalars(text("select n from t order by n")))


def grow(tx):
    """Reads, thinks and writes: two at a time would lose one."""
    before = tx.scalar(text("select v from t where n = 0"))
    tx.execute(text("update t set v = :v where n = 0"), {"v": before + 1})


async def value(database):
    return await database.read(lambda tx: tx.scalar(text("select v from t where n = 0")))


async def test_a_failing_transaction_leaves_its_neighbours_alone(database):
    def half(tx):
        add(2)(tx)
        raise Conflict("no")

    answers = await asyncio.gather(
        *(database.write(one) for one in (add(1), half, add(1), add(3))), return_exceptions=True
    )

    assert isinstance(answers[1], Conflict)
    assert 1 == sum(isinstance(answer, Exception) and "duplicate" in str(answer) for answer in answers)
    assert [1, 3] == await database.read(numbers)


async def test_waiting_callers_share_a_commit(database):
    gate, begun, commits = threading.Event(), threading.Event(), []
    event.listen(database.engine, "commit", commits.append)

    def block(_tx):
        begun.set()
        gate.wait(30)

    first = asyncio.ensure_future(database.write(block))
    await asyncio.to_thread(begun.wait, 30)
    rest = [asyncio.ensure_future(database.write(add(n))) for n in range(100)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *rest)

    assert list(range(100)) == await database.read(numbers)
    assert len(commits) <= 4  # the two of the writers, and of the readers


async def test_one_lane_is_one_writer_whichever_server_writes(url):
    """Functions that read before they write lose nothing, from three servers with two connections each."""
    servers = [opened(url) for _ in range(3)]
    await servers[0].write(add(0))
    await asyncio.gather(*(server.write(grow) for server in servers for _ in range(40)))

    assert 120 == await value(servers[1])
    for server in servers:
        server.close()


async def test_lanes_do_not_wait_for_each_other(database):
    gate, begun = threading.Event(), threading.Event()

    def block(_tx):
        begun.set()
        gate.wait(30)

    slow = asyncio.ensure_future(database.write(block, lane="a"))
    await asyncio.to_thread(begun.wait, 30)
    assert 1 == await database.write(add(1), lane="b")
    assert not slow.done()
    gate.set()
    await slow


async def test_two_that_wait_for_each_other_both_get_through(url):
    """A deadlock, made on purpose: PostgreSQL ends one of the two, and it is run again."""
    one, two = opened(url), opened(url)
    await one.write(lambda tx: [add(n)(tx) for n in (1, 2)])
    met = threading.Barrier(2)

    def swap(first, second):
        tries = []

        def transaction(tx):
            tries.append(1)
            tx.execute(text("update t set v = v + 1 where n = :n"), {"n": first})
            if len(tries) == 1:
                met.wait(30)
            tx.execute(text("update t set v = v + 1 where n = :n"), {"n": second})

        return transaction

    await asyncio.gather(one.write(swap(1, 2), lane="a"), two.write(swap(2, 1), lane="b"))
    assert [2, 2] == await one.read(lambda tx: list(tx.scalars(text("select v from t"))))
    one.close()
    two.close()


async def test_a_read_is_a_consistent_view_and_changes_nothing(database):
    await database.write(add(1))
    begun, release = threading.Event(), threading.Event()

    def twice(tx):
        before = numbers(tx)
        begun.set()
        release.wait(30)
        return before, numbers(tx)

    reading = asyncio.ensure_future(database.read(twice))
    await asyncio.to_thread(begun.wait, 30)
    await database.write(add(2))
    release.set()
    assert ([1], [1]) == await reading
    with pytest.raises(StorageFailed, match="takes no changes"):
        await database.read(add(3))


async def test_text_with_a_nul_character_is_refused_with_a_sentence(database):
    def look(tx):
        return tx.scalar(text("select :t"), {"t": "a\0b"})

    for run in (database.read, database.write):
        with pytest.raises(Invalid, match="NUL"):
            await run(look)


@pytest.fixture(params=["newest", "oldest"])
def durable(request):
    """A server of our own that waits for the disk, to be crashed."""
    programs = wheel() if request.param == "newest" else DEBIAN
    if not (programs / "postgres").exists():
        pytest.skip(f"there is no {programs}: {INSTALL}")
    server = Postgres(programs).start()
    server.sql("create table t (n bigint primary key, v bigint not null default 0)")
    yield server
    server.remove()


async def once_back(attempt):
    """What `attempt` gives as soon as the connection is made again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await attempt()
            except StorageFailed:
                await asyncio.sleep(0.02)


async def test_a_database_that_went_away_is_told_and_comes_back_by_itself(durable):
    database = opened(durable.url())
    assert 1 == await database.write(add(1))
    assert [1] == await database.read(numbers)

    durable.crash()
    for attempt in (database.write(add(2)), database.read(numbers)):
        with pytest.raises(StorageFailed, match="cannot be reached just now"):
            await attempt
    durable.start()
    await once_back(lambda: database.write(add(3)))
    assert [1, 3] == await once_back(lambda: database.read(numbers))
    database.close()


async def test_nothing_that_was_acknowledged_is_lost_in_crashes(durable):
    """Four writers, three crashes: what `write` returned for is there, what it raised for may be sent again."""
    database, acknowledged = opened(durable.url()), []
    writing = [asyncio.ensure_future(write_on(database, n * 1_000_000, acknowledged)) for n in range(4)]
    for _ in range(3):
        before = len(acknowledged)
        async with asyncio.timeout(60):
            while len(acknowledged) < before + 30:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(durable.crash)
        await asyncio.to_thread(durable.start)
    for task in writing:
        task.cancel()
    ends = await asyncio.gather(*writing, return_exceptions=True)

    assert {asyncio.CancelledError} == {type(end) for end in ends}
    stored = await once_back(lambda: database.read(numbers))
    assert set(acknowledged) <= set(stored)
    database.close()


async def write_on(database, number, acknowledged):
    """One number after the other, each until it is taken, be it that a try before was stored and not acknowledged."""
    while True:
        try:
            await database.write(add(number))
        except StorageFailed:
            await asyncio.sleep(0.02)
            continue
        except IntegrityError:
            pass
        else:
            acknowledged.append(number)
        number += 1


async def test_the_fate_of_a_commit_that_was_cut_off_is_found_out(durable):
    """The connection dies at the very commit, once before and once after PostgreSQL has done it."""
    for stored in (True, False):
        database = opened(durable.url())
        cut = []

        def break_off(connection, stored=stored, cut=cut):
            if cut or connection.get_execution_options().get("isolation_level"):
                return
            cut.append(1)
            raw = connection.connection.driver_connection
            if stored:
                raw.commit()
            durable.sql(f"select pg_terminate_backend({raw.info.backend_pid})")

        event.listen(database.engine, "commit", break_off)
        runs = []

        def once(tx, runs=runs, number=10 + stored):
            runs.append(1)
            return add(number)(tx)

        assert 1 == await database.write(once)
        assert [1] == cut
        assert (1 if stored else 2) == len(runs)
        database.close()
    assert [(10,), (11,)] == durable.sql("select n from t order by n")


async def test_a_commit_waits_for_the_disk_whatever_the_server_says(durable):
    durable.sql("alter system set synchronous_commit = off", "select pg_reload_conf()")
    deadline = time.monotonic() + 60
    while [("off",)] != durable.sql("show synchronous_commit"):
        assert time.monotonic() < deadline
    database = opened(durable.url())
    assert "on" == await database.write(lambda tx: tx.scalar(text("show synchronous_commit")))
    database.close()


async def test_a_host_that_falls_silent_is_noticed_within_seconds(durable):
    database = opened(durable.url(tcp=True))
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    told = await database.write(lambda tx: [tx.scalar(text(f"show {name}")) for name in names])
    ours = await database.read(lambda tx: tx.connection.driver_connection.info.get_parameters())

    assert ["5", "2", "3", "10000"] == [
        one.replace("10s", "10000") for one in told
    ]  # PostgreSQL 18 leaves the unit out
    assert ("5", "2", "3", "10000") == tuple(
        ours[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    )
    database.close()


def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path):
    for url in ("postgresql://user:secret@host", "postgresql://user:secret@host:port/db"):
        with pytest.raises(Unsupported, match=r"storage\.url") as told:
            open_database(StorageSettings(url=url), tmp_path)
        assert "secret" not in str(told.value)


def test_a_server_that_is_not_there_is_told_at_the_start(tmp_path):
    with pytest.raises(StorageFailed, match="cannot be opened"):
        open_database(StorageSettings(url=f"postgresql://postgres@/x?host={tmp_path}"), tmp_path)


def test_another_encoding_is_refused_with_the_cure(postgresql):
    name = name_of(postgresql.empty()) + "_latin"
    postgresql.server.sql(f"create database {name} encoding latin1 locale 'C' template template0")
    with pytest.raises(StorageFailed, match="createdb --encoding=UTF8"):
        open_database(StorageSettings(url=postgresql.server.url(name)), None)


async def test_sessions_are_used_unless_there_is_a_pooler(url):
    for told, expected in (("auto", True), ("on", True), ("off", False)):
        database = opened(url, sessions=told)
        assert isinstance(database, Database)
        assert expected == database.sessions
        database.close()
