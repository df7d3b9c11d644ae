"""What is sent about quotas (contracts/modzy.md, A.8): `period`, or `from` and `to`, or neither."""

from typing import Annotated

import msgspec

from headrace.api.modzy.shapes import times
from headrace.domain.errors import Invalid
from headrace.domain.quota import Period, QuotaScope, Terms

Short = Annotated[str, msgspec.Meta(max_length=1_000)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class QuotaBody(msgspec.Struct, kw_only=True):
    """For one of user, team or project. `quota`: inputs in a window; 100 when nothing is said."""

    user: Short | None = None
    team: Short | None = None
    project: Short | None = None
    quota: Limit = 100
    period: Short | None = None
    starts: Short | None = msgspec.field(name="from", default=None)
    ends: Short | None = msgspec.field(name="to", default=None)


def subject_of(body: QuotaBody) -> tuple[QuotaScope, str]:
    named = [(scope, value) for scope in QuotaScope if (value := getattr(body, scope.value))]
    if len(named) != 1:
        raise Invalid("the quota should name one of `user`, `team` or `project`, and only one")
    return named[0]


def terms_of(body: QuotaBody) -> Terms:
    return Terms(
        body.quota,
        _period(body.period),
        times.parse(body.starts, "from") if body.starts else None,
        times.parse(body.ends, "to") if body.ends else None,
    )


def _period(text: str | None) -> Period | None:
    if not text:
        return None
    try:
        return Period(text.lower())
    except ValueError:
        raise Invalid(f"`period` is {text[:50]!r}; it should be one of {', '.join(Period)}") from None
