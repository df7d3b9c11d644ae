"""The administrator's key of the first start, on every start after it, and when the operator gives another one."""

import pytest
from sqlalchemy import text

from headrace.accounts.keys import Keys
from headrace.domain.account import Role
from headrace.domain.errors import Conflict, Invalid, Unauthenticated

EMAIL = "admin@localhost"
NOW = 1_700_000_000_000
GIVEN = "GivenPrefix1." + "g" * 32
OTHER = "OtherPrefix1." + "o" * 32


async def test_the_first_start_makes_a_key_and_shows_it_once(keys, people):
    secret = await keys.first_key(None, EMAIL, NOW)

    who = await keys.principal(f"ApiKey {secret}")
    assert {Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN, Role.DATA_SCIENTIST, Role.TEAM_ROLE} == who.roles
    assert EMAIL == who.user.email
    assert "admin" == (await people.team(who.team)).name
    assert None is await keys.first_key(None, EMAIL, NOW + 1)
    assert None is await keys.first_key(None, "somebody@else", NOW + 2)
    await keys.principal(f"ApiKey {secret}")


async def test_a_given_key_is_not_shown(keys):
    assert None is await keys.first_key(f"{GIVEN}\n", EMAIL, NOW)
    assert "GivenPrefix1" == (await keys.principal(f"ApiKey {GIVEN}")).key


async def test_the_same_given_key_changes_nothing(keys, database):
    for _ in range(3):
        await keys.first_key(GIVEN, EMAIL, NOW)

    assert 1 == await database.read(lambda tx: tx.scalar(text("select count(*) from api_keys")))
    assert 1 == await database.read(lambda tx: tx.scalar(text("select count(*) from users")))
    assert 1 == await database.read(lambda tx: tx.scalar(text("select count(*) from teams")))


async def test_another_given_key_takes_the_place_of_the_old_one(keys):
    await keys.first_key(GIVEN, EMAIL, NOW)
    before = await keys.principal(f"ApiKey {GIVEN}")

    assert None is await keys.first_key(OTHER, EMAIL, NOW)

    assert before.user == (await keys.principal(f"ApiKey {OTHER}")).user
    with pytest.raises(Unauthenticated):
        await keys.principal(f"ApiKey {GIVEN}")


async def test_a_given_key_takes_the_place_of_one_that_was_made(keys):
    made = await keys.first_key(None, EMAIL, NOW)

    await keys.first_key(GIVEN, EMAIL, NOW)

    await keys.principal(f"ApiKey {GIVEN}")
    with pytest.raises(Unauthenticated):
        await keys.principal(f"ApiKey {made}")
    assert None is await keys.first_key(None, EMAIL, NOW)  # and it stays when the file is gone
    await keys.principal(f"ApiKey {GIVEN}")


async def test_a_new_body_under_the_same_prefix(keys):
    await keys.first_key(GIVEN, EMAIL, NOW)
    renewed = "GivenPrefix1." + "r" * 32

    await keys.first_key(renewed, EMAIL, NOW)

    await keys.principal(f"ApiKey {renewed}")
    with pytest.raises(Unauthenticated):
        await keys.principal(f"ApiKey {GIVEN}")


async def test_back_to_the_key_before(keys):
    for given in (GIVEN, OTHER, GIVEN):
        await keys.first_key(given, EMAIL, NOW)

    assert Role.SYSTEM_OWNER in (await keys.principal(f"ApiKey {GIVEN}")).roles
    with pytest.raises(Unauthenticated):
        await keys.principal(f"ApiKey {OTHER}")


async def test_somebody_elses_prefix_is_not_taken(keys, make_key):
    await keys.first_key(None, EMAIL, NOW)
    key, secret = await make_key("ann")

    with pytest.raises(Conflict, match="somebody else"):
        await keys.first_key(f"{key.prefix}.{'x' * 32}", EMAIL, NOW)
    await keys.principal(f"ApiKey {secret}")


@pytest.mark.parametrize("given", ["", "secret", "prefix.", "a b.cccccccccccccccccccccccc", "prefix12.short"])
async def test_a_given_text_that_is_no_key_is_refused_without_being_repeated(keys, given):
    with pytest.raises(Invalid, match=r"prefix\.body") as error:
        await keys.first_key(given, EMAIL, NOW)

    assert not given or given not in error.value.message.replace("prefix.body", "")


async def test_two_accounts_of_one_database_have_their_own(database):
    one, two = Keys(database, b"p" * 32, "one"), Keys(database, b"p" * 32, "two")
    first, second = await one.first_key(None, EMAIL, NOW), await two.first_key(None, EMAIL, NOW)

    assert "one" == (await one.principal(f"ApiKey {first}")).account
    with pytest.raises(Unauthenticated):
        await one.principal(f"ApiKey {second}")


async def test_a_made_key_is_written_down_before_it_is_in_force(keys):
    kept = []

    async def works(key):
        try:
            return bool(await keys.principal(f"ApiKey {key}"))
        except Unauthenticated:
            return False

    secret = await keys.first_key(None, EMAIL, NOW, kept.append)

    assert [secret] == kept
    assert await works(secret)
    assert None is await keys.first_key(None, EMAIL, NOW, kept.append)
    assert [secret] == kept  # nothing is written over it later on


async def test_a_crash_before_it_is_in_force_leaves_room_for_another(keys):
    def crash(_key):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await keys.first_key(None, EMAIL, NOW, crash)

    await keys.principal(f"ApiKey {await keys.first_key(None, EMAIL, NOW)}")
