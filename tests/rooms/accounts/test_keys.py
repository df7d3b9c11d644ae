"""Keys: who comes in, who does not, and what is stored and said of them."""

import asyncio
import logging
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from headrace.accounts.keys import MAX_AGE, Keys, NewKey
from headrace.domain.account import Role, Status
from headrace.domain.errors import Conflict, Invalid, NotFound, StorageFailed, Unauthenticated
from headrace.storage.schema import metadata
from headrace.storage.sqlite import Sqlite

PEPPER = b"p" * 32
NOW = 1_700_000_000_000


async def test_a_key_says_who_comes(keys, make_key):
    key, secret = await make_key("ann", None, Role.DATA_SCIENTIST)

    who = await keys.principal(f"ApiKey {secret}")

    assert ("acme", key.team, key.prefix) == (who.account, who.team, who.key)
    assert "ann@example.com" == who.user.email
    assert {Role.DATA_SCIENTIST, Role.TEAM_ROLE} == who.roles


async def test_a_bearer_is_the_same(keys, make_key):
    _, secret = await make_key("ann")

    assert await keys.principal(f"ApiKey {secret}") == await keys.principal(f"bearer {secret}")


async def test_a_wrong_body_and_an_unknown_prefix_get_the_same_answer(keys, make_key):
    key, secret = await make_key("ann")
    _, other = await make_key("bob")
    body = other.split(".")[1]

    said = []
    for sent in (f"{key.prefix}.{body}", f"{'x' * 20}.{body}"):
        with pytest.raises(Unauthenticated, match="not known here") as error:
            await keys.principal(f"ApiKey {sent}")
        said.append(error.value.message)
        assert body not in error.value.message
        assert secret.split(".")[1] not in error.value.message
    assert 1 == len(set(said))


async def test_a_mistyped_body_is_told_so(keys, make_key):
    _, secret = await make_key("ann")
    mistyped = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    with pytest.raises(Unauthenticated, match="mistyped"):
        await keys.principal(f"ApiKey {mistyped}")


async def test_another_pepper_opens_nothing(database, make_key):
    _, secret = await make_key("ann")

    with pytest.raises(Unauthenticated):
        await Keys(database, b"q" * 32, "acme").principal(f"ApiKey {secret}")


async def test_another_account_does_not_know_the_key(database, make_key):
    key, secret = await make_key("ann")
    stranger = Keys(database, PEPPER, "other")

    with pytest.raises(Unauthenticated):
        await stranger.principal(f"ApiKey {secret}")
    with pytest.raises(NotFound):
        await stranger.details(key.prefix)
    with pytest.raises(NotFound):
        await stranger.set_status(key.prefix, Status.INACTIVE)
    assert [] == await stranger.of_user(key.user)


async def test_neither_the_body_nor_its_plain_hash_is_in_the_file(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    database = Sqlite(tmp_path / "headrace.db")
    await database.write(metadata.create_all)
    keys = Keys(database, PEPPER, "acme")
    secret = await keys.first_key(None, "admin@localhost", NOW)
    await keys.principal(f"ApiKey {secret}")
    database.close()

    body = secret.split(".")[1].encode()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.split(".")[0].encode() in stored
    assert body not in stored
    assert body.decode() not in caplog.text


async def test_what_is_printed_of_a_holder_has_no_hash(keys, make_key):
    _, secret = await make_key("ann")
    holder = await keys._holder(secret.split(".")[0])  # noqa: SLF001

    assert "digest" not in repr(holder)


async def test_a_key_that_is_switched_off_fails_at_the_next_request(keys, make_key):
    await keys.first_key(None, "admin@localhost", NOW)
    key, secret = await make_key("ann")
    await keys.principal(f"ApiKey {secret}")

    await keys.set_status(key.prefix, Status.INACTIVE)

    with pytest.raises(Unauthenticated, match="switched off"):
        await keys.principal(f"ApiKey {secret}")
    with pytest.raises(Unauthenticated) as error:  # who has not the body does not learn the status
        await keys.principal(f"ApiKey {key.prefix}.{'b' * 38}")
    assert "switched off" not in error.value.message

    await keys.set_status(key.prefix, Status.ACTIVE)
    await keys.principal(f"ApiKey {secret}")


async def test_a_key_that_another_process_switched_off_works_no_longer_than_the_cache_remembers(
    keys, make_key, database, ticks
):
    await keys.first_key(None, "admin@localhost", NOW)
    key, secret = await make_key("ann")
    await keys.principal(f"ApiKey {secret}")
    await Keys(database, PEPPER, "acme").set_status(key.prefix, Status.INACTIVE)

    ticks.at = MAX_AGE
    with pytest.raises(Unauthenticated, match="switched off"):
        await keys.principal(f"ApiKey {secret}")


async def test_a_user_that_is_not_active_does_not_come_in(keys, make_key, database):
    _, secret = await make_key("ann")
    await database.write(lambda tx: tx.execute(text("update users set status = 'inactive'")))

    with pytest.raises(Unauthenticated, match="user"):
        await keys.principal(f"ApiKey {secret}")


async def test_roles_can_be_changed_and_count_at_once(keys, make_key):
    await keys.first_key(None, "admin@localhost", NOW)
    key, secret = await make_key("ann")
    await keys.principal(f"ApiKey {secret}")

    changed = await keys.set_roles(key.prefix, frozenset({Role.AUDITOR}))

    assert {Role.AUDITOR, Role.TEAM_ROLE} == changed.roles == (await keys.principal(f"ApiKey {secret}")).roles


async def test_the_last_platform_administrator_stays(keys):
    secret = await keys.first_key(None, "admin@localhost", NOW)
    prefix = secret.split(".")[0]

    with pytest.raises(Conflict, match="last one"):
        await keys.set_status(prefix, Status.INACTIVE)
    with pytest.raises(Conflict, match="last one"):
        await keys.set_roles(prefix, frozenset({Role.DEVELOPER}))

    assert Role.SYSTEM_OWNER in (await keys.principal(f"ApiKey {secret}")).roles


async def test_a_second_platform_administrator_frees_the_first(keys, make_key):
    secret = await keys.first_key(None, "admin@localhost", NOW)
    await make_key("ann", None, Role.SYSTEM_OWNER)

    await keys.set_status(secret.split(".")[0], Status.INACTIVE)


@pytest.mark.parametrize("roles", [set(), {Role.TEAM_ROLE}, {Role.PROJECT, Role.DEVELOPER}])
async def test_roles_that_make_no_sense_are_refused(keys, make_key, roles):
    key, _ = await make_key("ann")

    with pytest.raises(Invalid):
        await keys.create(NewKey(key.user, key.team, "x", frozenset(roles)), NOW)
    with pytest.raises(Invalid):
        await keys.set_roles(key.prefix, frozenset(roles))


@pytest.mark.parametrize("name", ["x" * 101, "a\nb", "\x1b[2J"])
async def test_a_name_that_would_spoil_a_list_is_refused(keys, make_key, name):
    key, _ = await make_key("ann")

    with pytest.raises(Invalid):
        await keys.create(NewKey(key.user, key.team, name, frozenset({Role.DEVELOPER})), NOW)


async def test_a_key_needs_a_user_and_a_team(keys, make_key):
    key, _ = await make_key("ann")
    developer = frozenset({Role.DEVELOPER})

    with pytest.raises(NotFound, match="User nobody"):
        await keys.create(NewKey("nobody", key.team, "x", developer), NOW)
    with pytest.raises(NotFound, match="Team nowhere"):
        await keys.create(NewKey(key.user, "nowhere", "x", developer), NOW)


async def test_the_first_key_of_a_user_is_the_default_one(keys, make_key):
    first, _ = await make_key("ann")
    second, _ = await keys.create(NewKey(first.user, first.team, "second", frozenset({Role.DEVELOPER})), NOW + 1)

    assert [True, False] == [key.is_default for key in await keys.of_user(first.user)]
    assert [first, second] == await keys.of_user(first.user)


async def test_a_renewed_key_opens_with_the_new_body_only(keys, make_key):
    key, old = await make_key("ann")
    await keys.principal(f"ApiKey {old}")

    body = await keys.renew(key.prefix)

    assert key.prefix == (await keys.principal(f"ApiKey {key.prefix}.{body}")).key
    with pytest.raises(Unauthenticated):
        await keys.principal(f"ApiKey {old}")


async def test_unknown_keys_cannot_be_changed(keys):
    for call in (keys.details("nobody"), keys.renew("nobody"), keys.set_status("nobody", Status.ACTIVE)):
        with pytest.raises(NotFound, match="nobody"):
            await call


async def test_the_last_use_is_known_at_once_and_written_by_flush(keys, make_key, database):
    key, secret = await make_key("ann")
    assert None is (await keys.details(key.prefix)).last_used

    await keys.principal(f"ApiKey {secret}")
    used = (await keys.details(key.prefix)).last_used
    assert used is not None
    assert None is (await Keys(database, PEPPER, "acme").details(key.prefix)).last_used

    await keys.flush()
    assert used == (await Keys(database, PEPPER, "acme").details(key.prefix)).last_used
    assert replace(key, last_used=used) == (await keys.of_user(key.user))[0]


async def test_flush_keeps_what_the_disk_did_not_take(keys, make_key, database):
    key, secret = await make_key("ann")
    await keys.principal(f"ApiKey {secret}")
    await database.write(lambda tx: tx.execute(text("alter table api_keys rename to gone")))
    with pytest.raises(StorageFailed):
        await keys.flush()
    await database.write(lambda tx: tx.execute(text("alter table gone rename to api_keys")))

    await keys.flush()

    assert (await Keys(database, PEPPER, "acme").details(key.prefix)).last_used is not None


async def test_the_hot_path_asks_no_database(keys, make_key, database):
    _, secret = await make_key("ann")
    await keys.principal(f"ApiKey {secret}")
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    for _ in range(10):
        await keys.principal(f"ApiKey {secret}")

    assert [] == statements


async def test_a_key_read_while_it_is_switched_off_is_not_remembered_as_good(keys, make_key):
    await keys.first_key(None, "admin@localhost", NOW)
    key, secret = await make_key("ann")

    for _ in range(50):
        await asyncio.gather(
            keys.principal(f"ApiKey {secret}"),
            keys.set_status(key.prefix, Status.INACTIVE),
            keys.principal(f"ApiKey {secret}"),
            return_exceptions=True,
        )
        with pytest.raises(Unauthenticated):
            await keys.principal(f"ApiKey {secret}")
        await keys.set_status(key.prefix, Status.ACTIVE)
