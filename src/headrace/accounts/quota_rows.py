"""SQL <-> quotas. A count is changed by one conditional statement: two charges at once cannot both take the rest."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from headrace.domain.clock import Millis
from headrace.domain.errors import NotFound
from headrace.domain.quota import Period, QuotaScope, Terms
from headrace.storage.database import Tx
from headrace.storage.prepared import Command, Query
from headrace.storage.schema import metadata

quotas = Table(
    "quotas",
    metadata,
    Column("id", String, primary_key=True),
    Column("scope", String, nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("allowed", BigInteger, nullable=False),
    Column("period", String, nullable=True),
    Column("starts", BigInteger, nullable=True),
    Column("ends", BigInteger, nullable=True),
    Column("used", BigInteger, nullable=False),
    Column("window_start", BigInteger, nullable=False),  # of the window that `used` counts
    Column("since", BigInteger, nullable=False),  # counted from here on: what was charged before was never counted
)


Subject = tuple[QuotaScope, str]  # whom a quota limits


@dataclass(frozen=True, slots=True)
class Count:
    identifier: str
    scope: QuotaScope
    subject: str
    terms: Terms
    used: int
    window_start: Millis
    since: Millis


def insert_quota(tx: Tx, count: Count) -> None:
    tx.execute(
        insert(quotas).values(
            id=count.identifier,
            scope=count.scope.value,
            subject=count.subject,
            used=count.used,
            window_start=count.window_start,
            since=count.since,
            **_terms(count.terms),
        )
    )


def load(tx: Tx, identifier: str, *, lock: bool = False) -> Count:
    query = select(quotas).where(quotas.c.id == identifier)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"Quota {identifier} not found")
    return _to_count(*row)


def every(tx: Tx) -> list[Count]:
    return [
        _to_count(*row) for row in tx.execute(select(quotas).order_by(quotas.c.scope, quotas.c.subject, quotas.c.id))
    ]


def of_subjects(tx: Tx, first: Subject, second: Subject) -> list[Count]:
    """Locked, always in the same order: two transactions never wait for each other in a circle."""
    wanted = {"p_scope": first[0], "p_subject": first[1], "p_scope_2": second[0], "p_subject_2": second[1]}
    return _OF_SUBJECTS.all(tx, wanted)


def open_window(tx: Tx, identifier: str, start: Millis) -> None:
    """Begins to count anew if the window that was counted lies before this one."""
    _OPEN_WINDOW.run(tx, {"p_id": identifier, "p_start": start})


def count_from(tx: Tx, identifier: str, since: Millis) -> None:
    tx.execute(update(quotas).where(quotas.c.id == identifier).values(since=since))


def take(tx: Tx, identifier: str, inputs: int) -> bool:
    """False when the quota does not have as many left."""
    return _TAKE.run(tx, {"p_id": identifier, "p_inputs": inputs}) == 1


def give_back(tx: Tx, identifier: str, inputs: int, window_start: Millis) -> None:
    _GIVE_BACK.run(tx, {"p_id": identifier, "p_inputs": inputs, "p_start": window_start})


def set_limit(tx: Tx, identifier: str, limit: int) -> None:
    tx.execute(update(quotas).where(quotas.c.id == identifier).values(allowed=limit))


def set_terms(tx: Tx, identifier: str, terms: Terms, window_start: Millis, since: Millis) -> None:
    """Another period is another count: it begins at 0."""
    tx.execute(
        update(quotas)
        .where(quotas.c.id == identifier)
        .values(used=0, window_start=window_start, since=since, **_terms(terms))
    )


def remove(tx: Tx, identifier: str) -> None:
    if tx.execute(delete(quotas).where(quotas.c.id == identifier)).rowcount == 0:
        raise NotFound(f"Quota {identifier} not found")


def _terms(terms: Terms) -> dict[str, int | str | None]:
    period = terms.period.value if terms.period is not None else None
    return {"allowed": terms.limit, "period": period, "starts": terms.starts, "ends": terms.ends}


def _to_count(*row: Any) -> Count:
    """Of all columns, in their order."""
    identifier, scope, subject, allowed, period, starts, ends, used, window_start, since = row
    terms = Terms(allowed, Period(period) if period is not None else None, starts, ends)
    return Count(identifier, QuotaScope(scope), subject, terms, used, window_start, since)


# What every submit asks, prepared.
_id: BindParameter[str] = bindparam("p_id")
_inputs: BindParameter[int] = bindparam("p_inputs", type_=BigInteger)
_start: BindParameter[int] = bindparam("p_start", type_=BigInteger)
_first = and_(quotas.c.scope == bindparam("p_scope"), quotas.c.subject == bindparam("p_subject"))
_second = and_(quotas.c.scope == bindparam("p_scope_2"), quotas.c.subject == bindparam("p_subject_2"))
_OF_SUBJECTS = Query(select(quotas).where(or_(_first, _second)).order_by(quotas.c.id).with_for_update(), _to_count)
_OPEN_WINDOW = Command(
    update(quotas).where(quotas.c.id == _id, quotas.c.window_start < _start).values(used=0, window_start=_start)
)
_TAKE = Command(
    update(quotas)
    .where(quotas.c.id == _id, quotas.c.used + _inputs <= quotas.c.allowed)
    .values(used=quotas.c.used + _inputs)
)
_GIVE_BACK = Command(
    update(quotas)
    .where(quotas.c.id == _id, quotas.c.window_start == _start)
    .values(used=case((quotas.c.used > _inputs, quotas.c.used - _inputs), else_=0))
)
