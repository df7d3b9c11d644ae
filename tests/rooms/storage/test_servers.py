"""Servers of one database: who lives, who leads, and that all hear what one tells."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from postgres import Postgres

from headrace.settings import StorageSettings
from headrace.storage.opening import open_database, servers_of
from headrace.storage.postgresql import servers as shared
from headrace.storage.servers import Servers


@pytest.fixture
def url(postgresql):
    with postgresql.lent() as one:
        yield one()


class Server:
    """What a server process has of it: its connections end with it, and nothing is said at the end."""

    def __init__(self, url, sessions):
        self.settings = StorageSettings(url=url, sessions=sessions)
        self.database = open_database(self.settings, None)
        self.servers = servers_of(self.database, self.settings)
        self.tasks = [asyncio.ensure_future(run()) for run in (self.database.events.run, self.servers.run)]

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []
        self.database.close()

    async def dead(self):
        return await self.database.write(self.servers.dead)


@asynccontextmanager
async def running(url, count, sessions="on"):
    found = [Server(url, sessions) for _ in range(count)]
    try:
        await until(lambda: all(len(one.servers.others) == count - 1 for one in found))
        yield found
    finally:
        for one in found:
            if one.tasks:
                await one.end()


async def until(fact, seconds=60):
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.02)


async def until_async(fact, seconds=60):
    async with asyncio.timeout(seconds):
        while not await fact():
            await asyncio.sleep(0.02)


@pytest.fixture(params=["on", "off"])
def sessions(request, monkeypatch):
    """With locks of sessions, and as behind a pooler: there a short silence is the end."""
    monkeypatch.setattr(shared, "BEAT", 0.1)
    monkeypatch.setattr(shared, "SILENT", 3.0)
    return request.param


async def test_one_leads_and_another_when_it_ends(url, sessions):
    async with running(url, 3, sessions) as servers:
        await until(lambda: sum(one.servers.leads for one in servers) == 1)
        leader = next(one for one in servers if one.servers.leads)
        rest = [one for one in servers if one is not leader]
        await leader.end()
        await until(lambda: sum(one.servers.leads for one in rest) == 1)
        new = next(one for one in rest if one.servers.leads)
        await until_async(lambda: named_dead(new, leader))
        assert {leader.servers.me} == set(await new.dead())
        await until(lambda: all(len(one.servers.others) == 1 for one in rest))
        assert {(0, 2), (1, 2)} == {one.servers.place for one in rest}
        assert await new.database.read(lambda tx: new.servers.gone(tx, leader.servers.me))
        assert await new.database.read(lambda tx: new.servers.gone(tx, "never heard of"))
        assert not await new.database.read(lambda tx: new.servers.gone(tx, new.servers.me))


async def named_dead(one, other):
    return other.servers.me in await one.dead()


async def test_nobody_is_dead_while_all_live(url, sessions):
    async with running(url, 2, sessions) as servers:
        for _ in range(10):
            assert [[], []] == [await one.dead() for one in servers]
            await asyncio.sleep(0.05)


async def test_a_loop_of_the_leader_runs_on_one_server_at_a_time(url, sessions):
    at_work, met = set(), []

    async def loop(name):
        at_work.add(name)
        met.append(len(at_work))
        try:
            await asyncio.sleep(1_000)
        finally:
            at_work.discard(name)

    async with running(url, 2, sessions) as servers:
        for number, one in enumerate(servers):
            one.tasks.append(asyncio.ensure_future(one.servers.as_leader(lambda number=number: loop(number))))
        await until(lambda: at_work)
        first = servers[next(iter(at_work))]
        await first.end()
        await until(lambda: at_work)
        assert {1} == set(met)


async def test_all_hear_what_one_tells_and_none_hears_its_own_twice(url):
    async with running(url, 3) as servers:
        heard = [[] for _ in servers]
        for one, list_ in zip(servers, heard, strict=True):
            one.database.events.listen("news", list_.append)
        await servers[0].database.events.settled()
        for list_ in heard:
            list_.clear()
        servers[0].database.events.tell("news", "a")
        assert ["a"] == heard[0]
        await servers[0].database.events.settled()
        assert [["a"], ["a"], ["a"]] == heard
        servers[2].database.events.tell("news", "x" * 10_000)
        await servers[2].database.events.settled()
        assert ["a", ""] == heard[1]
        assert ["a", "x" * 10_000] == heard[2]


async def test_listeners_look_for_themselves_after_a_lost_connection(url, postgresql):
    async with running(url, 2) as servers:
        heard = []
        servers[1].database.events.listen("news", heard.append)
        await servers[0].database.events.settled()
        heard.clear()
        postgresql.server.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headrace listens'"
        )
        await until(lambda: "" in heard)
        await until(lambda: told_again(servers, heard))


def told_again(servers, heard):
    servers[0].database.events.tell("news", "again")
    return "again" in heard


async def test_behind_a_pooler_everybody_looks_for_himself(url):
    async with running(url, 2, "off") as servers:
        heard = []
        servers[1].database.events.listen("news", heard.append)
        servers[0].database.events.tell("news", "a")
        await until(lambda: heard)
        assert "" == heard[0]


async def test_after_a_restart_of_the_database_nobody_is_taken_for_dead():
    postgres = Postgres().start()
    try:
        async with running(postgres.url(), 2) as servers:
            assert [[], []] == [await one.dead() for one in servers]
            await asyncio.to_thread(postgres.crash)
            await asyncio.to_thread(postgres.start)
            found = []

            async def asked():
                try:
                    found.append([await one.dead() for one in servers])
                except Exception:  # noqa: BLE001 - not back yet
                    return False
                return sum(one.servers.leads for one in servers) == 1

            await until_async(asked)
            assert [[[], []]] * len(found) == found
    finally:
        postgres.remove()


async def test_a_server_alone_leads_and_sees_nobody(tmp_path):
    settings = StorageSettings()
    database = open_database(settings, tmp_path)
    alone = servers_of(database, settings)
    ran = []

    async def loop():
        ran.append(1)

    await alone.as_leader(loop)
    assert isinstance(alone, Servers)
    assert (True, (), (0, 1), [1]) == (alone.leads, alone.others, alone.place, ran)
    assert not alone.shared
    database.close()


async def test_who_heeds_the_others_hears_that_one_comes_and_goes(url, sessions):
    async with running(url, 1, sessions) as [one]:
        heard = []
        one.servers.heed(lambda: heard.append(one.servers.place[1]))
        other = Server(url, sessions)
        await until(lambda: heard)
        await asyncio.sleep(0.3)
        assert [2] == heard
        await other.end()
        await until(lambda: len(heard) > 1)
        assert [2, 1] == heard
