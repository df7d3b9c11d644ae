"""Several servers at the same rows at the same moment: each as exact as one server alone."""

import asyncio

import pytest

from headrace.accounts import quotas
from headrace.accounts.keys import Keys, NewKey
from headrace.accounts.people import NewUser, People
from headrace.accounts.quotas import QuotaOwner
from headrace.domain.account import Role, Status
from headrace.domain.errors import Conflict, QuotaExceeded
from headrace.domain.quota import Period, QuotaScope, Terms
from headrace.settings import StorageSettings
from headrace.storage.opening import open_database

PEPPER, NOW = b"p" * 32, 1_700_000_000_000
ANN = QuotaOwner("ann", "red")
SERVERS = 4


@pytest.fixture
async def servers(postgresql):
    with postgresql.lent() as one:
        url = one()
        found = [open_database(StorageSettings(url=url), None) for _ in range(SERVERS)]
        yield found
        for database in found:
            database.close()


async def at_once(calls):
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("lanes", [False, True])
async def test_exactly_100_of_160_jobs_of_10_fit_into_a_quota_of_1000(servers, lanes):
    """Also when the charges do not wait for each other by their lanes but only by the rows."""
    await servers[0].write(lambda tx: quotas.create(tx, QuotaScope.USER, "ann", Terms(1_000), NOW))
    await servers[0].write(lambda tx: quotas.create(tx, QuotaScope.TEAM, "red", Terms(5_000, Period.DAILY), NOW))

    def lane(number):
        return str(number) if lanes else ""

    ends = await at_once(
        servers[n % SERVERS].write(lambda tx: quotas.charge(tx, ANN, 10, NOW), lane=lane(n)) for n in range(160)
    )
    assert (100, 60) == (ends.count(None), sum(isinstance(end, QuotaExceeded) for end in ends))
    assert {1_000} == {one.used for one in await servers[1].read(lambda tx: quotas.find(tx, NOW))}
    await at_once(
        servers[n % SERVERS].write(lambda tx: quotas.credit(tx, ANN, 10, NOW, NOW), lane=lane(n)) for n in range(30)
    )
    assert {700} == {one.used for one in await servers[1].read(lambda tx: quotas.find(tx, NOW))}


async def test_the_first_window_of_a_period_is_opened_once(servers):
    """All charge in the first moment of a new window: nobody's charge is wiped out by another's opening."""
    await servers[0].write(lambda tx: quotas.create(tx, QuotaScope.USER, "ann", Terms(10**6, Period.HOURLY), NOW))
    later = NOW + 7_200_000
    ends = await at_once(
        servers[n % SERVERS].write(lambda tx: quotas.charge(tx, ANN, 1, later), lane=str(n)) for n in range(60)
    )
    assert [None] * 60 == ends
    assert [60] == [one.used for one in await servers[0].read(lambda tx: quotas.find(tx, later))]


async def test_servers_that_start_together_make_one_administrator(servers):
    made = await asyncio.gather(*(Keys(one, PEPPER, "acme").first_key(None, "a@b.c", NOW) for one in servers))
    texts = [text for text in made if text is not None]
    assert 1 == len(texts)
    assert "a@b.c" == (await Keys(servers[0], PEPPER, "acme").principal(f"ApiKey {texts[0]}")).user.email


async def test_one_name_is_taken_once(servers):
    people = [People(one, "acme") for one in servers]
    users = await at_once(people[n % SERVERS].create_user(NewUser(f"ann@{'EXAMPLE' if n % 2 else 'example'}.com"), NOW)
                          for n in range(12))  # fmt: skip
    teams = await at_once(people[n % SERVERS].create_team("red") for n in range(12))
    for ends in (users, teams):
        assert 1 == sum(not isinstance(end, Exception) for end in ends)
        assert 11 == sum(isinstance(end, Conflict) for end in ends)


async def test_the_last_administrator_cannot_be_switched_off_by_two_at_once(servers):
    people, keys = People(servers[0], "acme"), [Keys(one, PEPPER, "acme") for one in servers]
    team = await people.create_team("red")
    made = []
    for name in ("ann", "bob"):
        user = await people.create_user(NewUser(f"{name}@example.com"), NOW)
        new = NewKey(user.identifier, team.identifier, "", frozenset({Role.SYSTEM_OWNER}))
        made.append((await keys[0].create(new, NOW))[0].prefix)
    ends = await at_once(keys[n].set_status(made[n], Status.INACTIVE) for n in (0, 1))
    assert 1 == sum(isinstance(end, Conflict) for end in ends)
