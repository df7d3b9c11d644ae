"""What every part of the job engine shares."""

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from headrace.domain.clock import steady
from headrace.domain.job import Job, JobState
from headrace.jobs import lease_rows
from headrace.jobs.bell import Bell
from headrace.jobs.claim_rows import Claimer
from headrace.jobs.tally import Tally
from headrace.jobs.watch import Watch
from headrace.settings import JobSettings
from headrace.storage.database import Database, Tx


class Servers(Protocol):
    """The servers that share the database."""

    @property
    def me(self) -> str:
        """Our own name: a new one at each start."""
        ...

    @property
    def look(self) -> float:
        """Seconds between two looks at the others."""
        ...

    def dead(self, tx: Tx) -> Collection[str]:
        """Servers that are known to be gone, those that left leases among them."""
        ...

    def gone(self, tx: Tx, server: str) -> bool:
        """Whether this one is gone, be it long ago."""
        ...


class Space(Protocol):
    """Where bodies and, with SQLite, rows lie."""

    def check(self) -> None:
        """Raises StorageFailed when nothing new is to be taken."""
        ...


class AnySpace:
    """For databases in memory."""

    def check(self) -> None:
        """There is always room."""


class OnlyServer:
    """The database is a file that only one process opens, under a lock: whoever else holds leases is gone."""

    look = 15.0

    def __init__(self) -> None:
        self.me = secrets.token_hex(8)

    def dead(self, tx: Tx) -> Collection[str]:
        return lease_rows.holders(tx) - {self.me}

    def gone(self, tx: Tx, server: str) -> bool:  # noqa: ARG002 - another kind of database has to ask
        return server != self.me


@dataclass(frozen=True, slots=True)
class Room:
    database: Database
    settings: JobSettings = field(default_factory=JobSettings)
    servers: Servers = field(default_factory=OnlyServer)
    space: Space = field(default_factory=AnySpace)
    work: Bell = field(default_factory=Bell)  # rings when inputs can be claimed, and tells of which version
    deadlines: Bell = field(default_factory=Bell)  # rings when a job with a deadline was stored
    pauses: Bell = field(default_factory=Bell)  # rings when inputs are to wait before they are tried again
    watch: Watch = field(default_factory=Watch)
    tally: Tally = field(default_factory=Tally)
    tokens: set[str] = field(default_factory=set)  # of the claims that this server has in hand

    def stored(self, job: Job, *, deadline: bool) -> None:
        """A job was stored: wake whom it concerns."""
        if job.state is not JobState.OPEN:
            self.tally.jobs += 1
            self.tally.inputs += job.total
        self.work.ring_all(str(job.version))
        if deadline:
            self.deadlines.ring_all()

    @contextmanager
    def claimer(self) -> Iterator[Claimer]:
        """A new token. What it claims is in hand until the end: before and after, recovery takes it back."""
        token = secrets.token_hex(8)
        self.tokens.add(token)
        try:
            yield Claimer(self.servers.me, token, steady() + self.settings.lease)
        finally:
            self.tokens.discard(token)
