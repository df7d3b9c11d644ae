"""Versions of models: made, found, changed one step at a time."""

import time
from collections.abc import Callable
from dataclasses import replace

from headrace.accounts.once import Mark, unmarked
from headrace.catalog import requirements, rows, version_rows
from headrace.catalog.search import ModelQuery, VersionQuery, select_models, select_versions
from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey, check_version
from headrace.domain.image import ContainerImage
from headrace.domain.version import Version, VersionStatus
from headrace.storage.database import Database, Tx
from headrace.storage.events import ANYTHING
from headrace.storage.recent import Recent

CACHED = 1_000  # versions
MAX_AGE = 5.0  # seconds that a change may stay unseen whose event was missed, or whose caller gave up waiting
CHANGED = "catalog.versions"  # the event, with the version's key

_Found = list[Version]  # inside the class `list` is a method


def new_version(key: VersionKey, email: str, now: Millis, long_description: str = "") -> Version:
    """A draft, with the default requirement. Raises Invalid for a version that is not semantic."""
    check_version(key.version)
    return Version(
        key=key,
        status=VersionStatus.PARTIAL,
        created=now,
        updated=now,
        created_by=email,
        requirement=requirements.by_id(requirements.DEFAULT),
        image=ContainerImage(repository_name=key.model),
        long_description=long_description,
    )


class Versions:
    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._recent: Recent[VersionKey, Version] = Recent(CACHED, MAX_AGE, monotonic)
        self._events = database.events
        self._events.listen(CHANGED, self._forget)
        self._heeding: Callable[[], None] | None = None
        self.turn = 0  # grows with every change: what was read before it may be old

    @property
    def commits(self) -> int | None:
        """See Database: while it stands still, no version has changed, told or not."""
        return self._database.commits

    def heed(self, listener: Callable[[], None]) -> None:
        """`listener` is called after each change, on this server or another. It must not wait or raise."""
        self._heeding = listener

    async def create(
        self, key: VersionKey, email: str, now: Millis, long_description: str = "", mark: Mark = unmarked
    ) -> Version:
        """Raises Invalid, NotFound for an unknown model, and Conflict when the version exists."""
        version = new_version(key, email, now, long_description)

        def transaction(tx: Tx) -> Version:
            rows.load(tx, key.model, lock=True)
            version_rows.insert_version(tx, version)
            mark(tx, key.version)
            return version

        try:
            return await self._database.write(transaction)
        finally:
            self._events.tell(CHANGED, str(key))

    async def get(self, key: VersionKey) -> Version:
        """From memory if it was asked for lately. Raises NotFound."""

        async def read() -> Version:
            return await self._database.read(lambda tx: version_rows.load(tx, key))

        return await self._recent.of(key, read)

    async def list(self, model_id: str, query: VersionQuery) -> _Found:
        """One page of a model's versions; the viewer's right to see the model was checked before. Raises Invalid."""
        return select_versions(await self._database.read(lambda tx: version_rows.of_model(tx, model_id)), query)

    async def all(self, query: VersionQuery) -> _Found:
        """One page of all versions of the models that the viewer sees. Raises Invalid."""
        every = ModelQuery(viewer=query.viewer)

        def transaction(tx: Tx) -> _Found:
            seen = select_models(rows.candidates(tx, every), every)
            return version_rows.of_models(tx, [model.identifier for model in seen])

        return select_versions(await self._database.read(transaction), query)

    async def change(self, key: VersionKey, fn: Callable[[Version], Version], now: Millis) -> Version:
        """Read, `fn`, write in one transaction. `fn` is pure and checks the move; key and creation stay as they are.

        Raises NotFound, TooLarge, and what `fn` raises: then nothing is changed.
        """
        try:
            return await self._database.write(lambda tx: _change(tx, key, fn, now))
        finally:
            self._events.tell(CHANGED, str(key))

    async def change_only(
        self, key: VersionKey, fn: Callable[[Version], Version], others: Callable[[Version], Version], now: Millis
    ) -> Version:
        """As `change`; and in the same transaction `others` of each other version of the model that is active."""

        def transaction(tx: Tx) -> tuple[Version, _Found]:
            beside = version_rows.published_beside(tx, key)
            for one in beside:
                version_rows.save(tx, replace(others(one), key=one.key, updated=now), lists=False)
            return _change(tx, key, fn, now, lists=bool(beside)), beside

        changed: _Found = []
        try:
            version, changed = await self._database.write(transaction)
        finally:
            for one in (key, *(other.key for other in changed)):
                self._events.tell(CHANGED, str(one))
        return version

    async def everything(self) -> _Found:
        """Of all models and whatever their status: for finding out what is still needed."""
        return await self._database.read(version_rows.every)

    async def active(self) -> _Found:
        return await self._database.read(version_rows.active)

    async def unfinished(self) -> _Found:
        """Those with a step of the deployment that waits or runs: to go on with after a restart, the oldest first."""
        return await self._database.read(version_rows.unfinished)

    def _forget(self, key: str) -> None:
        """A version was changed, here or by another server; ANYTHING: any may have been."""
        self.turn += 1
        model, _, version = key.partition(":")
        if key == ANYTHING:
            self._recent.clear()
        else:
            self._recent.forget(VersionKey(model, version))
        if self._heeding is not None:
            self._heeding()


def _change(tx: Tx, key: VersionKey, fn: Callable[[Version], Version], now: Millis, *, lists: bool = False) -> Version:
    """`lists`: of the model's versions others have changed as well."""
    old = version_rows.load(tx, key, lock=True)
    new = replace(fn(old), key=old.key, created=old.created, created_by=old.created_by, updated=now)
    version_rows.save(tx, new, lists=lists or new.status is not old.status)
    return new
