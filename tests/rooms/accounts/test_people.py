"""Users and teams: made, found, listed."""

import pytest

from headrace.accounts.keys import NewKey
from headrace.accounts.people import NewUser, People, UserQuery, entitlements
from headrace.domain.account import Principal, Role, Status, User
from headrace.domain.errors import Conflict, Invalid, NotFound
from headrace.domain.listing import Filter, Page

NOW = 1_700_000_000_000
ANN = NewUser("Ann@Example.com", "Ann", "Lee", "Dr", "ext-1")


def emails(found):
    return [person.user.email for person in found]


async def test_a_user_is_found_again(people):
    made = await people.create_user(ANN, NOW)

    assert made == await people.user(made.identifier) == await people.by_email("ann@example.COM")
    assert ("Ann@Example.com", "Dr", "ext-1", Status.ACTIVE) == (
        made.email, made.title, made.external_identifier, made.status,
    )  # fmt: skip


async def test_an_unknown_user_is_not_found(people, database):
    made = await people.create_user(ANN, NOW)

    with pytest.raises(NotFound, match="User nobody not found"):
        await people.user("nobody")
    with pytest.raises(NotFound):
        await people.by_email("nobody@example.com")
    with pytest.raises(NotFound):
        await People(database, "other").user(made.identifier)


@pytest.mark.parametrize(
    "email", ["", "ann", "@example.com", "ann@", "a nn@example.com", "ann@x\n", "x" * 250 + "@x.com"]
)
async def test_what_is_no_address_is_refused(people, email):
    if email.strip() == "ann@x":
        assert "ann@x" == (await people.create_user(NewUser(email), NOW)).email
        return
    with pytest.raises(Invalid, match=r"ann@example\.com"):
        await people.create_user(NewUser(email), NOW)


@pytest.mark.parametrize("field", ["first_name", "last_name", "title", "external_identifier"])
async def test_unprintable_names_are_refused(people, field):
    with pytest.raises(Invalid, match="printable"):
        await people.create_user(NewUser("a@b.c", **{field: "a\x00b"}), NOW)


async def test_two_users_may_not_share_an_address(people):
    await people.create_user(ANN, NOW)

    with pytest.raises(Conflict):
        await people.create_user(NewUser("ann@example.com"), NOW)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (UserQuery(), ["ann@a.org", "bob@b.org", "zoe@a.org"]),
        (UserQuery(first_name=Filter("O")), ["bob@b.org", "zoe@a.org"]),
        (UserQuery(last_name=Filter("lee")), ["ann@a.org", "bob@b.org"]),
        (UserQuery(email=Filter("a.org")), ["ann@a.org", "zoe@a.org"]),
        (UserQuery(search=Filter("ann lee")), ["ann@a.org"]),
        (UserQuery(search=Filter("ann,zoe")), ["ann@a.org", "zoe@a.org"]),
        (UserQuery(status=Status.INACTIVE), []),
        (UserQuery(first_name=Filter("ann"), email=Filter("b.org")), []),
        (UserQuery(access_key="nobody"), []),
        (UserQuery(start=1), []),
        (UserQuery(page=Page(2, 2)), ["zoe@a.org"]),
    ],
)
async def test_users_can_be_looked_for(people, query, expected):
    for new in (NewUser("zoe@a.org", "Zoë"), NewUser("ann@a.org", "Ann", "Lee"), NewUser("bob@b.org", "Bob", "Leeds")):
        await people.create_user(new, NOW)

    assert expected == emails(await people.users(query))


async def test_users_are_found_by_key_and_by_their_last_activity(people, keys, make_key):
    key, secret = await make_key("ann")
    await make_key("bob")
    await keys.principal(f"ApiKey {secret}")
    await keys.flush()

    [ann] = await people.users(UserQuery(access_key=key.prefix))

    assert key.user == ann.user.identifier
    assert [ann] == await people.users(UserQuery(start=ann.last_active))
    assert [ann] == await people.users(UserQuery(start=NOW, end=ann.last_active))
    assert [] == await people.users(UserQuery(start=ann.last_active + 1))


async def test_teams_are_those_of_the_users_active_keys(people, keys, make_key):
    await keys.first_key(None, "admin@localhost", NOW)
    red, blue, _ = [await people.create_team(name) for name in ("red", "blue", "green")]
    key, secret = await make_key("ann", red)
    second, _ = await keys.create(NewKey(key.user, blue.identifier, "", frozenset({Role.DEVELOPER})), NOW)
    ann = await keys.principal(f"ApiKey {secret}")

    assert ["blue", "red"] == [team.name for team in await people.teams(ann)]

    await keys.set_status(second.prefix, Status.INACTIVE)
    assert ["red"] == [team.name for team in await people.teams(ann)]


async def test_a_platform_administrator_sees_all_teams(people, keys):
    secret = await keys.first_key(None, "admin@localhost", NOW)
    await people.create_team("red")

    admin = await keys.principal(f"ApiKey {secret}")
    assert ["admin", "red"] == [team.name for team in await people.teams(admin)]


@pytest.mark.parametrize("name", ["", "  ", "a\tb", "x" * 201])
async def test_a_team_needs_a_name(people, name):
    with pytest.raises(Invalid):
        await people.create_team(name)


async def test_teams_have_names_of_their_own(people, database):
    red = await people.create_team("red")

    with pytest.raises(Conflict, match="red"):
        await people.create_team(" red ")
    with pytest.raises(NotFound):
        await People(database, "other").team(red.identifier)
    assert red == await people.team(red.identifier)


@pytest.mark.parametrize(
    ("role", "patches_processing"),
    [
        (Role.SYSTEM_OWNER, True),
        (Role.ACCOUNT_ADMIN, True),
        (Role.DATA_SCIENTIST, True),
        (Role.DEVELOPER, False),
        (Role.AUDITOR, False),
    ],
)
def test_entitlements_follow_the_roles(role, patches_processing):
    user = User("u", "", "a@b.c", "", "", "", Status.ACTIVE, 1)
    found = entitlements(Principal("acme", "t", user, "k", frozenset({role})))

    names = [one.identifier for one in found]
    assert patches_processing is ("CAN_PATCH_PROCESSING_MODEL_VERSION" in names)
    assert len(names) == len(set(names))
    assert all(one.description and one.weight for one in found)


def test_the_team_role_alone_is_entitled_to_nothing():
    user = User("u", "", "a@b.c", "", "", "", Status.ACTIVE, 1)

    assert [] == entitlements(Principal("acme", "t", user, "k", frozenset({Role.TEAM_ROLE})))
