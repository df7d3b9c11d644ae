"""Behind a real PgBouncer: it is found, what needs a session is left alone, and nothing that was promised is lost."""

import asyncio

import pytest
from live import free_port
from pgbouncer import pgbouncer
from rooms.storage.test_servers import Server, until, until_async
from sqlalchemy import text
from typer.testing import CliRunner

from headrace.cli import main
from headrace.domain.errors import Unsupported
from headrace.settings import StorageSettings
from headrace.storage.opening import connect
from headrace.storage.postgresql import connecting
from headrace.storage.postgresql import servers as shared


@pytest.fixture(scope="module")
def poolers(postgresql):
    """By pool_mode: from a database's URL to the same database through a pooler."""
    with pgbouncer(postgresql.server, "transaction") as transactions, pgbouncer(postgresql.server, "session") as whole:
        yield {
            mode: lambda url, through=through: through(connecting.parse(url).database)
            for mode, through in (("transaction", transactions), ("session", whole))
        }


@pytest.fixture
def url(postgresql):
    with postgresql.lent() as one:
        yield one()


def opened(url, **settings):
    return connect(StorageSettings(url=url, **settings), None)


@pytest.mark.parametrize(
    ("mode", "told", "sessions"),
    [("transaction", "auto", False), ("session", "auto", False), ("session", "on", True)],
)
async def test_a_pooler_is_found_out(poolers, url, mode, told, sessions):
    database = opened(poolers[mode](url), sessions=told)
    assert sessions == database.sessions
    database.close()


def test_sessions_are_refused_where_there_are_none(poolers, url):
    with pytest.raises(Unsupported, match="for one transaction only"):
        opened(poolers["transaction"](url), sessions="on")


async def test_writers_in_one_lane_see_each_other_and_wait_for_the_disk(poolers, url):
    """The server's own default is not to wait."""
    database = opened(poolers["transaction"](url), writers=4)
    lanes = [f"lane {number}" for number in range(4)]
    await database.write(lambda tx: tx.execute(text("insert into installation values ('n', '0')")))

    def grow(tx):
        before = int(tx.scalar(text("select value from installation where name = 'n'")))
        tx.execute(text("update installation set value = :v where name = 'n'"), {"v": str(before + 1)})
        return tx.scalar(text("show synchronous_commit"))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(database.write(grow, lane="one")) for _ in range(50)]
            for lane in lanes * 10:
                group.create_task(database.write(lambda tx: tx.scalar(text("select 1")), lane=lane))
        assert {"on"} == {task.result() for task in tasks}
        told = await database.read(lambda tx: tx.scalar(text("select value from installation where name = 'n'")))
        assert told == "50"
    finally:
        database.close()


async def test_one_leads_of_a_server_behind_a_pooler_and_one_that_is_not(poolers, url, monkeypatch):
    """As while a pooler is put in or taken out, one server after the other."""
    monkeypatch.setattr(shared, "BEAT", 0.1)
    monkeypatch.setattr(shared, "SILENT", 3.0)
    direct, pooled = Server(url, "on"), Server(poolers["transaction"](url), "auto")
    servers = (direct, pooled)
    try:
        await until(lambda: all(len(one.servers.others) == 1 for one in servers))
        await until(lambda: sum(one.servers.leads for one in servers) == 1)
        assert [[], []] == [await one.dead() for one in servers]
        await direct.end()

        async def heir():
            return pooled.servers.leads and direct.servers.me in await pooled.dead()

        await until_async(heir)
        await until(lambda: pooled.servers.others == ())
    finally:
        for one in servers:
            if one.tasks:
                await one.end()


def test_doctor_tells_of_a_pooler_and_of_a_database_that_is_not_there(poolers, url, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for address, said in (
        (poolers["transaction"](url), "there is a pooler between this server"),
        (url, "PostgreSQL 1"),
        (f"postgresql://postgres@127.0.0.1:{free_port()}/none", "the database cannot be opened"),
    ):
        monkeypatch.setenv("HEADRACE_STORAGE_URL", address)
        shown = CliRunner().invoke(main.app, ["doctor", "--json"])
        assert said in shown.output, shown.output
