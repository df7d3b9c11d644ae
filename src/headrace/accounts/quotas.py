"""Charge and give back, always inside the caller's transaction, so that a job and its charge cannot come apart.

No quota, no limit. Several quotas may limit one owner; each has to have room.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from headrace.accounts import quota_rows
from headrace.accounts.quota_rows import Count, Subject
from headrace.domain.clock import Millis
from headrace.domain.errors import QuotaExceeded
from headrace.domain.ids import new_id
from headrace.domain.quota import Quota, QuotaScope, Terms, Window, check_terms, window_at
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class QuotaOwner:
    """Whose quotas a job is counted in: user and team of the key; team and project when it is a project's key."""

    user: str
    team: str
    project: str | None = None

    @property
    def subjects(self) -> tuple[Subject, Subject]:
        if self.project is None:
            return (QuotaScope.USER, self.user), (QuotaScope.TEAM, self.team)
        return (QuotaScope.TEAM, self.team), (QuotaScope.PROJECT, self.project)


def charge(tx: Tx, owner: QuotaOwner, inputs: int, now: Millis) -> None:
    """Counts `inputs` in every quota of the owner. Raises QuotaExceeded: the caller's transaction then undoes all."""
    for count in quota_rows.of_subjects(tx, *owner.subjects):
        window = window_at(count.terms, now)
        if window is None:
            continue
        if now < count.since:  # the clock was set back: what is charged now must be found again by `credit`
            quota_rows.count_from(tx, count.identifier, now)
        quota_rows.open_window(tx, count.identifier, window.start)
        if not quota_rows.take(tx, count.identifier, inputs):
            raise QuotaExceeded(_sentence(quota_rows.load(tx, count.identifier), inputs, window))


def credit(tx: Tx, owner: QuotaOwner, inputs: int, charged_at: Millis, now: Millis) -> None:
    """Gives back what `charge` took at `charged_at`, if the window of that time is not over.

    Never into another window, never below 0, and not into a quota that was made or re-made after the charge.
    """
    for count in quota_rows.of_subjects(tx, *owner.subjects):
        window = window_at(count.terms, charged_at)
        if window is None or charged_at < count.since or (window.end is not None and window.end <= now):
            continue
        quota_rows.give_back(tx, count.identifier, inputs, window.start)


def create(tx: Tx, scope: QuotaScope, subject: str, terms: Terms, now: Millis) -> Quota:
    """`subject` is the identifier of the user, team or project, checked by the caller. Raises Invalid."""
    check_terms(terms)
    count = Count(new_id(), scope, subject, terms, 0, _start(terms, now), now)
    quota_rows.insert_quota(tx, count)
    return _quota(count, now)


def find(tx: Tx, now: Millis) -> list[Quota]:
    """All quotas, by scope and subject."""
    return [_quota(count, now) for count in quota_rows.every(tx)]


def get(tx: Tx, identifier: str, now: Millis) -> Quota:
    """Raises NotFound."""
    return _quota(quota_rows.load(tx, identifier), now)


def change(tx: Tx, identifier: str, terms: Terms, now: Millis) -> Quota:
    """Another limit keeps the count; another period, from or to begins a new one. Raises NotFound, Invalid."""
    check_terms(terms)
    old = quota_rows.load(tx, identifier, lock=True).terms
    if (old.period, old.starts, old.ends) == (terms.period, terms.starts, terms.ends):
        quota_rows.set_limit(tx, identifier, terms.limit)
    else:
        quota_rows.set_terms(tx, identifier, terms, _start(terms, now), now)
    return get(tx, identifier, now)


def remove(tx: Tx, identifier: str) -> None:
    """Raises NotFound."""
    quota_rows.remove(tx, identifier)


def _start(terms: Terms, now: Millis) -> Millis:
    window = window_at(terms, now)
    return window.start if window is not None else terms.starts or 0


def _quota(count: Count, now: Millis) -> Quota:
    window = window_at(count.terms, now)
    over = window is not None and window.start > count.window_start  # counted anew at the next charge
    return Quota(
        identifier=count.identifier,
        scope=count.scope,
        subject=count.subject,
        limit=count.terms.limit,
        used=0 if over else count.used,
        period=count.terms.period,
        starts=count.terms.starts,
        ends=count.terms.ends,
    )


def _sentence(count: Count, inputs: int, window: Window) -> str:
    kind = f"{count.terms.period.value} quota" if count.terms.period is not None else "quota"
    left = max(0, count.terms.limit - count.used)
    return (
        f"the {kind} of {count.scope.value} {count.subject} is {count.terms.limit} inputs: {count.used} are used,"
        f" {left} are left, and this job has {inputs}; {_renews(count.terms, window)}"
    )


def _renews(terms: Terms, window: Window) -> str:
    if window.end is None:
        return "it does not renew: ask an administrator for more"
    when = datetime.fromtimestamp(window.end / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"it renews at {when}" if terms.period is not None else f"it ends at {when}"
