"""Quotas: read by those whom they concern, changed by platform administrators."""

from typing import Any

from headrace.accounts.allowances import Allowances
from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy.parse import quotas as parse
from headrace.api.modzy.parse.quotas import QuotaBody
from headrace.api.modzy.shapes import quotas as shapes
from headrace.api.modzy.shapes.quotas import QuotaShape
from headrace.domain.account import Action

NoBody = Call[NoQuery, None]
WithBody = Call[NoQuery, QuotaBody]


class Quotas:
    def __init__(self, allowances: Allowances) -> None:
        self._allowances = allowances

    def rows(self) -> list[Row]:
        read, rule, root = Action.READ_QUOTAS, Action.CHANGE_QUOTAS, "/api/accounting/quotas"
        one = f"{root}/{{quota}}"
        return [
            Endpoint("GET", root, "Quotas, and how much of them is used", read, self.all, answer=list[QuotaShape]),
            Endpoint("POST", root, "Create a quota", rule, self.create,
                     body=QuotaBody, answer=QuotaShape, success=201, errors=(404,), repeat=Repeatable(self._again)),
            Endpoint("GET", one, "A quota", read, self.get, answer=QuotaShape),
            Endpoint("PATCH", one, "Change a quota's limit, period or dates", rule, self.change,
                     body=QuotaBody, answer=QuotaShape),
            Endpoint("DELETE", one, "Remove a quota: no limit any more", rule, self.remove, success=204),
        ]  # fmt: skip

    async def all(self, call: NoBody) -> list[QuotaShape]:
        return [shapes.quota(one) for one in await self._allowances.all(call.principal)]

    async def get(self, call: NoBody) -> QuotaShape:
        return shapes.quota(await self._allowances.get(call.principal, call.params["quota"]))

    async def create(self, call: WithBody) -> QuotaShape:
        scope, subject = parse.subject_of(call.body)
        return shapes.quota(await self._allowances.create(scope, subject, parse.terms_of(call.body), call.mark))

    async def _again(self, call: Call[Any, Any], made: str) -> QuotaShape:
        return shapes.quota(await self._allowances.get(call.principal, made))

    async def change(self, call: WithBody) -> QuotaShape:
        return shapes.quota(await self._allowances.change(call.params["quota"], parse.terms_of(call.body)))

    async def remove(self, call: NoBody) -> None:
        await self._allowances.remove(call.params["quota"])
