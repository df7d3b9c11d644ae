"""Quotas for the doors: who may see them, and that their subjects exist. The counting itself is in quotas.py."""

from headrace.accounts import access, quotas
from headrace.accounts.once import Mark, unmarked
from headrace.accounts.people import People
from headrace.domain.account import Principal
from headrace.domain.clock import now
from headrace.domain.errors import NotFound
from headrace.domain.quota import Quota, QuotaScope, Terms
from headrace.storage.database import Database, Tx


class Allowances:
    def __init__(self, database: Database, people: People) -> None:
        self._database, self._people = database, people

    async def all(self, principal: Principal) -> list[Quota]:
        """Those that the caller may see."""
        at = now()
        found = await self._database.read(lambda tx: quotas.find(tx, at))
        return [quota for quota in found if access.sees_quota(principal, quota)]

    async def get(self, principal: Principal, identifier: str) -> Quota:
        """Raises NotFound, also for one that the caller may not know of."""
        at = now()
        quota = await self._database.read(lambda tx: quotas.get(tx, identifier, at))
        if not access.sees_quota(principal, quota):
            raise NotFound(f"Quota {identifier} not found")
        return quota

    async def create(self, scope: QuotaScope, subject: str, terms: Terms, mark: Mark = unmarked) -> Quota:
        """`subject`: an identifier, or a user's e-mail address. Raises NotFound, Invalid."""
        known, at = await self._known(scope, subject), now()

        def transaction(tx: Tx) -> Quota:
            made = quotas.create(tx, scope, known, terms, at)
            mark(tx, made.identifier)
            return made

        return await self._database.write(transaction)

    async def change(self, identifier: str, terms: Terms) -> Quota:
        at = now()
        return await self._database.write(lambda tx: quotas.change(tx, identifier, terms, at))

    async def remove(self, identifier: str) -> None:
        await self._database.write(lambda tx: quotas.remove(tx, identifier))

    async def _known(self, scope: QuotaScope, subject: str) -> str:
        match scope:
            case QuotaScope.USER:
                user = await (self._people.by_email(subject) if "@" in subject else self._people.user(subject))
                return user.identifier
            case QuotaScope.TEAM:
                return (await self._people.team(subject)).identifier
            case QuotaScope.PROJECT:
                raise NotFound(f"Project {subject} not found: there are no projects yet")
