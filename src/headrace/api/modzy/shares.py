"""Shares: by which weights teams, and the users of a team, share the replicas. Set by platform administrators."""

from typing import Annotated

import msgspec

from headrace.accounts.people import People
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.domain.account import Action
from headrace.jobs.shares import LEAST, MOST, Share, Shares

Short = Annotated[str, msgspec.Meta(max_length=1_000)]
Weight = Annotated[float, msgspec.Meta(ge=LEAST, le=MOST)]


class ShareBody(msgspec.Struct):
    """Of a team among the teams; with `user`, an identifier or e-mail address, of that user within the team."""

    team: Short
    weight: Weight
    user: Short = ""


class ShareShape(msgspec.Struct):
    team: str
    user: str
    weight: float


class FairShares:
    def __init__(self, shares: Shares, people: People) -> None:
        self._shares, self._people = shares, people

    def rows(self) -> list[Row]:
        path = "/api/accounting/shares"
        return [
            Endpoint("GET", path, "Weights of teams and users that are not 1", Action.CHANGE_QUOTAS, self.all,
                     answer=list[ShareShape]),
            Endpoint("PUT", path, "Set the weight of a team, or of a user in a team", Action.CHANGE_QUOTAS, self.set,
                     body=ShareBody, answer=ShareShape, errors=(404,)),
        ]  # fmt: skip

    async def all(self, _call: Call[NoQuery, None]) -> list[ShareShape]:
        return [_shape(one) for one in await self._shares.all()]

    async def set(self, call: Call[NoQuery, ShareBody]) -> ShareShape:
        body = call.body
        team = await self._people.team(body.team)
        user = body.user
        if user:
            user = (await (self._people.by_email(user) if "@" in user else self._people.user(user))).identifier
        return _shape(await self._shares.set(team.identifier, user, body.weight))


def _shape(share: Share) -> ShareShape:
    return ShareShape(share.team, share.user, share.weight)
