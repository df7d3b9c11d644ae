"""A quota as clients see it (contracts/modzy.md, A.8)."""

import msgspec

from headrace.api.modzy.shapes import times
from headrace.domain.quota import Quota


class QuotaShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One of user, team and project is there. `used`: inputs of the window that runs now."""

    identifier: str
    quota: int
    used: int
    period: str | None
    starts: str | None = msgspec.field(name="from")
    ends: str | None = msgspec.field(name="to")
    user: str = ""
    team: str = ""
    project: str = ""


def quota(found: Quota) -> QuotaShape:
    return QuotaShape(
        identifier=found.identifier,
        quota=found.limit,
        used=found.used,
        period=found.period,
        starts=times.text_or_none(found.starts),
        ends=times.text_or_none(found.ends),
        **{found.scope.value: found.subject},
    )
