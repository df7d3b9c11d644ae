"""The query of a job history (contracts/modzy.md, A.6.5), as the two steps that it needs: text, then identifiers."""

import msgspec

from headrace.api.modzy.parse import paging
from headrace.api.modzy.parse.paging import PagingQuery
from headrace.api.modzy.shapes import times
from headrace.domain.clock import HOUR, Millis
from headrace.domain.errors import Invalid
from headrace.domain.job import JobState
from headrace.jobs.history_rows import SORTS, HistoryQuery

AHEAD: Millis = 14 * HOUR  # clocks without a zone may be this far ahead of ours
_GROUPS = ("all", "pending", "terminated", "terminated_with_error")


class JobsQuery(PagingQuery, rename="camel"):
    """Dates are ISO 8601, without a zone UTC."""

    user: str | None = None
    access_key: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    model: str | None = None
    model_identifier: str | None = None
    model_version: str | None = None
    search: str | None = None
    status: str | None = None
    page: int | None = None
    per_page: int | None = msgspec.field(name="per-page", default=None)
    sort_by: str | None = msgspec.field(name="sort-by", default=None)
    direction: str | None = None


def history(query: JobsQuery, now: Millis) -> HistoryQuery:
    """Everything but `user`, `model` and `accessKey`, which other rooms turn into identifiers. Raises Invalid."""
    since = times.parse(query.start_date, "startDate") if query.start_date else None
    until = times.parse(query.end_date, "endDate") if query.end_date else None
    if until is not None and since is None:
        raise Invalid("`endDate` needs a `startDate`")
    if since is not None and since > now + AHEAD:
        raise Invalid("`startDate` should not be in the future")
    page = paging.page_of(query)
    return HistoryQuery(
        models=frozenset({query.model_identifier}) if query.model_identifier else None,
        version=query.model_version or None,
        since=since,
        until=until,
        status=_status(query.status),
        search=query.search or "",
        sort=paging.sort_field(query, tuple(SORTS), "createdAt"),
        descending=paging.is_descending(query, default=not query.sort_by),
        page=page.number,
        per_page=page.size,
    )


def _status(text: str | None) -> str:
    status = (text or "all").strip()
    known = (*_GROUPS, *(state.lower() for state in JobState))
    if status.lower() not in known:
        raise Invalid(f"`status` should be one of {', '.join(known)}, but is {status[:60]!r}")
    return status
