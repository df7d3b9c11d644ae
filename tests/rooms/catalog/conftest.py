"""A library with real rows, and people who look at it."""

import pytest
from databases import opened

from headrace.catalog.models import Models
from headrace.catalog.tags import Tags
from headrace.catalog.versions import Versions
from headrace.domain.account import Principal, Role, Status, User

NOW = 1_700_000_000_000


@pytest.fixture
async def database(storage_url, tmp_path):
    database = opened(storage_url, tmp_path)
    yield database
    database.close()


@pytest.fixture
def models(database):
    return Models(database)


@pytest.fixture
def versions(database):
    return Versions(database)


@pytest.fixture
def tags(database):
    return Tags(database)


@pytest.fixture
def who():
    """`who("ann", Role.DEVELOPER, team="red")`."""

    def who(name, *roles, team="red", account="acme"):
        user = User(f"u-{name}", name, f"{name}@example.com", name.title(), "Lee", "", Status.ACTIVE, 1)
        return Principal(account, team, user, f"key-{name}", frozenset(roles or {Role.DATA_SCIENTIST}))

    return who


@pytest.fixture
def ann(who):
    return who("ann")


@pytest.fixture
async def model(models, ann):
    return await models.create("Echo", "1.0.0", ann, NOW)
