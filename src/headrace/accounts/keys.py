"""Keys: who a request comes from, and making, changing and renewing keys. A body is shown once and stored hashed."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from headrace.accounts import first_key, key_rows, key_text, rows
from headrace.accounts.first_key import FirstKey
from headrace.accounts.once import Mark, unmarked
from headrace.domain import clock
from headrace.domain.account import ApiKey, Principal, Role, Status
from headrace.domain.clock import Millis
from headrace.domain.errors import Conflict, HeadraceError, Invalid, NotFound, Unauthenticated
from headrace.storage.database import Database, Tx
from headrace.storage.recent import Recent

T = TypeVar("T")

CACHED = 10_000  # keys
MAX_AGE = 10.0  # seconds that a key may still work that was switched off while this server could not be told
CHANGED = "accounts.keys"  # the event
LONGEST_NAME = 100

_NOBODY = bytes(32)  # what the body of an unknown key is compared with, so that it takes as long


@dataclass(frozen=True, slots=True)
class NewKey:
    """`user` and `team` are identifiers. TEAM_ROLE is added by itself."""

    user: str
    team: str
    name: str
    roles: frozenset[Role]


class Keys:
    def __init__(
        self, database: Database, pepper: bytes, account: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._pepper, self._account = database, pepper, account
        self._recent: Recent[str, key_rows.Holder] = Recent(CACHED, MAX_AGE, monotonic)
        self._used: dict[str, Millis] = {}
        self._events = database.events
        self._events.listen(CHANGED, lambda _: self._changed())
        self.turn = 0  # grows with every change: what was found out before it may be wrong

    async def principal(self, authorization: str | None) -> Principal:
        """Who sent this Authorization header. Raises Unauthenticated: the message never holds a part of the body."""
        prefix, body = key_text.from_header(authorization)
        holder = await self._holder(prefix)
        expected = holder.digest if holder is not None else _NOBODY
        same = hmac.compare_digest(expected, key_text.digest(self._pepper, body))
        if holder is None or not same:
            raise Unauthenticated(_unknown(body))
        if holder.key.status is not Status.ACTIVE:
            raise Unauthenticated(f"access key {prefix} was switched off: ask an administrator for another one")
        if holder.user.status is not Status.ACTIVE:
            raise Unauthenticated(f"the user of access key {prefix} is not active: ask an administrator")
        self._used[prefix] = clock.now()
        return Principal(self._account, holder.key.team, holder.user, prefix, holder.key.roles)

    async def administrator(self, roles: frozenset[Role]) -> Principal:
        """The administrator of the first start, with these roles and no key: for doors that are open. NotFound."""

        def transaction(tx: Tx) -> Principal:
            found = key_rows.find_first(tx, self._account)
            if found is None:
                raise NotFound("there is no administrator yet")
            key = found[0]
            return Principal(self._account, key.team, rows.user(tx, self._account, key.user), "", roles)

        return await self._database.read(transaction)

    async def create(self, new: NewKey, now: Millis, mark: Mark = unmarked) -> tuple[ApiKey, str]:
        """The stored key and the whole text `prefix.body`, which nobody can show again. Raises Invalid, NotFound."""
        prefix, body = key_text.new_prefix(), key_text.new_body()
        name, roles = _checked_name(new.name), _checked_roles(new.roles)

        def transaction(tx: Tx) -> ApiKey:
            user, team = rows.user(tx, self._account, new.user), rows.team(tx, self._account, new.team)
            key = ApiKey(
                prefix=prefix,
                name=name,
                user=user.identifier,
                team=team.identifier,
                roles=roles,
                is_default=not key_rows.keys_of_user(tx, self._account, user.identifier),
                status=Status.ACTIVE,
                created=now,
                last_used=None,
            )
            key_rows.insert_key(tx, self._account, key, key_text.digest(self._pepper, body))
            mark(tx, f"access key {prefix}")
            return key

        return await self._change(transaction), f"{prefix}.{body}"

    async def details(self, prefix: str) -> ApiKey:
        """Raises NotFound."""
        return self._as_used(await self._database.read(lambda tx: key_rows.key(tx, self._account, prefix)))

    async def of_user(self, user_id: str) -> list[ApiKey]:
        found = await self._database.read(lambda tx: key_rows.keys_of_user(tx, self._account, user_id))
        return [self._as_used(key) for key in found]

    async def set_roles(self, prefix: str, roles: frozenset[Role]) -> ApiKey:
        """Raises NotFound, Invalid, and Conflict when nobody would be platform administrator any more."""
        checked = _checked_roles(roles)
        return await self._change_key(prefix, lambda tx: key_rows.set_roles(tx, prefix, checked))

    async def set_status(self, prefix: str, status: Status) -> ApiKey:
        """From the next request on. Raises NotFound, and Conflict for the last platform administrator's key."""
        return await self._change_key(prefix, lambda tx: key_rows.set_status(tx, prefix, status))

    async def renew(self, prefix: str, mark: Mark = unmarked) -> str:
        """A new body for this key, shown once; the old one opens nothing any more. Raises NotFound."""
        body = key_text.new_body()
        hashed = key_text.digest(self._pepper, body)

        def act(tx: Tx) -> None:
            key_rows.set_digest(tx, prefix, hashed)
            mark(tx, f"a new body of access key {prefix}")

        await self._change_key(prefix, act)
        return body

    async def first_key(
        self, given: str | None, email: str, now: Millis, keep: Callable[[str | None], None] = lambda _: None
    ) -> str | None:
        """Sees to it that there is an administrator; safe to call at every start.

        `keep` writes a made key down before it is in force: a crash in between must not leave a key that nobody knows.
        It is told None when another server was quicker.

        Returns the text of the key when it was made just now and not given. A given key that is not the stored one
        takes its place. Raises Invalid for a given text that is no key, Conflict when its prefix is somebody else's.
        """
        parts = (key_text.new_prefix(), key_text.new_body()) if given is None else key_text.split(given.strip())
        if parts is None:
            raise Invalid(f"the given administrator's key is not of the form prefix.body: {key_text.FORM}")
        if given is None and await self._database.read(lambda tx: key_rows.find_first(tx, self._account)) is not None:
            return None
        prefix, body = parts
        if given is None:
            keep(f"{prefix}.{body}")
        first = FirstKey(email, prefix, key_text.digest(self._pepper, body), given=given is not None)
        made = await self._change(lambda tx: first_key.ensure(tx, self._account, first, now))
        if not made and given is None:
            keep(None)
        return f"{prefix}.{body}" if made and given is None else None

    async def flush(self) -> None:
        """Writes down when keys were last used. Meant to be called about once a minute, and before the end."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._database.write(lambda tx: key_rows.set_used(tx, used))
        except HeadraceError:
            self._used = used | self._used
            raise

    async def _holder(self, prefix: str) -> key_rows.Holder | None:
        async def read() -> key_rows.Holder:
            return await self._database.read(lambda tx: key_rows.holder(tx, self._account, prefix))

        try:
            return await self._recent.of(prefix, read)
        except NotFound:  # not kept: guessed prefixes must not push out the real ones
            return None

    async def _change_key(self, prefix: str, act: Callable[[Tx], None]) -> ApiKey:
        def transaction(tx: Tx) -> ApiKey:
            key_rows.key(tx, self._account, prefix)
            had_owner = _has_owner(tx, self._account)
            act(tx)
            if had_owner and not _has_owner(tx, self._account):
                raise Conflict(f"access key {prefix} is the last one of a platform administrator: make another first")
            return key_rows.key(tx, self._account, prefix)

        return self._as_used(await self._change(transaction))

    async def _change(self, transaction: Callable[[Tx], T]) -> T:
        """Every server that can be reached has heard of it when this returns."""
        try:
            return await self._database.write(transaction)
        finally:
            self._events.tell(CHANGED)
            await self._events.settled()

    def _changed(self) -> None:
        self._recent.clear()
        self.turn += 1

    def _as_used(self, key: ApiKey) -> ApiKey:
        used = self._used.get(key.prefix)
        return key if used is None else replace(key, last_used=max(used, key.last_used or 0))


def _unknown(body: str) -> str:
    if not key_text.has_checksum(body):
        return "this access key is not known: it was mistyped, cut off or not made by Headrace, as its checksum shows"
    return "this access key is not known here: it may have been renewed, or it belongs to another server"


def _has_owner(tx: Tx, account: str) -> bool:
    return any(
        Role.SYSTEM_OWNER in key.roles and key.status is Status.ACTIVE for key in key_rows.keys_of_account(tx, account)
    )


def _checked_name(name: str) -> str:
    name = name.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"the name of a key has at most {LONGEST_NAME} printable characters")
    return name


def _checked_roles(roles: frozenset[Role]) -> frozenset[Role]:
    if not roles - {Role.TEAM_ROLE}:
        raise Invalid(f"a key needs at least one role besides TEAM_ROLE: {', '.join(sorted(Role))}")
    if Role.PROJECT in roles:
        raise Invalid("the role PROJECT is only for keys of projects")
    return roles | {Role.TEAM_ROLE}
