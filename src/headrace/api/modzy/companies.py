"""What a job's JSON tells of other rooms: model names, submitters, their keys. Kept for seconds: clients poll jobs."""

from collections.abc import Sequence

from headrace.accounts.keys import Keys
from headrace.accounts.people import People
from headrace.api.modzy.shapes.jobs import Company
from headrace.catalog.models import Models
from headrace.domain.account import Principal, Status, User
from headrace.domain.errors import NotFound
from headrace.domain.job import Job
from headrace.storage.recent import Recent

KEPT = 1_000  # of each kind
MAX_AGE = 5.0  # seconds that a new name may stay unseen here


class Companies:
    def __init__(self, models: Models, people: People, keys: Keys) -> None:
        self._models, self._people, self._keys = models, people, keys
        self._names: Recent[str, str] = Recent(KEPT, MAX_AGE)
        self._users: Recent[str, User] = Recent(KEPT, MAX_AGE)
        self._defaults: Recent[str, bool] = Recent(KEPT, MAX_AGE)

    async def of(self, job: Job, principal: Principal) -> Company:
        return Company(
            await self.model_name(job.version.model),
            await self._user(job.user, principal),
            await self._defaults.of(job.key, lambda: self._read_default(job.key)),
        )

    async def of_all(self, jobs: Sequence[Job], principal: Principal) -> list[Company]:
        return [await self.of(job, principal) for job in jobs]

    async def model_name(self, identifier: str) -> str:
        return await self._names.of(identifier, lambda: self._read_name(identifier))

    async def _user(self, identifier: str, principal: Principal) -> User:
        if identifier == principal.user.identifier:
            return principal.user
        return await self._users.of(identifier, lambda: self._read_user(identifier))

    async def _read_name(self, identifier: str) -> str:
        try:
            return (await self._models.get(identifier)).name
        except NotFound:
            return ""

    async def _read_user(self, identifier: str) -> User:
        try:
            return await self._people.user(identifier)
        except NotFound:  # the job outlived its user
            return User(identifier, "", "", "", "", "", Status.INACTIVE, 0)

    async def _read_default(self, prefix: str) -> bool:
        try:
            return (await self._keys.details(prefix)).is_default
        except NotFound:
            return False
