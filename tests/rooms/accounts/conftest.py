"""One account with real rows: two teams, and users as the tests need them."""

import pytest
from databases import opened

from headrace.accounts.keys import Keys, NewKey
from headrace.accounts.people import NewUser, People
from headrace.domain.account import Role

PEPPER = b"p" * 32
NOW = 1_700_000_000_000


@pytest.fixture
async def database(storage_url, tmp_path):
    database = opened(storage_url, tmp_path)
    yield database
    database.close()


class Ticks:
    """Seconds that pass when a test says so."""

    at = 0.0

    def __call__(self):
        return self.at


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def keys(database, ticks):
    return Keys(database, PEPPER, "acme", ticks)


@pytest.fixture
def people(database):
    return People(database, "acme")


@pytest.fixture
def make_key(keys, people):
    """A key for a new user: `await make_key("ann", team, Role.DEVELOPER)` gives the key and its text."""

    async def make(name, team=None, *roles):
        user = await people.create_user(NewUser(f"{name}@example.com", name.title(), "Lee"), NOW)
        team = team or await people.create_team(f"team of {name}")
        return await keys.create(
            NewKey(user.identifier, team.identifier, f"key of {name}", frozenset(roles or {Role.DEVELOPER})), NOW
        )

    return make
