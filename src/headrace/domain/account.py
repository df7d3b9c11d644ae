"""Who asks: users, teams, keys, roles, and the one table that says which role may do what."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from headrace.domain.clock import Millis


class Role(StrEnum):
    """Roles are on keys (contracts/modzy.md, A.8). The spelling is the platform's, upper and lower case mixed."""

    SYSTEM_OWNER = "SYSTEM_OWNER"  # platform administrator
    ACCOUNT_ADMIN = "ACCOUNT_ADMIN"  # team administrator
    DATA_SCIENTIST = "DATA_SCIENTIST"
    DEVELOPER = "Developer"
    AUDITOR = "Auditor"
    PROJECT = "PROJECT"
    TEAM_ROLE = "TEAM_ROLE"  # on every team key; allows nothing by itself


class Action(StrEnum):
    """What a route needs. Each route names exactly one."""

    READ_LIBRARY = "read the model library"
    DEPLOY_MODELS = "create, upload, test and edit models"
    APPROVE_MODELS = "approve, reject or deactivate models"
    SCALE_ENGINES = "change how many engines run"
    SUBMIT_JOBS = "submit jobs"
    READ_OWN_JOBS = "read own jobs and results"
    READ_TEAM_JOBS = "read the team's jobs and results"
    CANCEL_OWN_JOBS = "cancel own jobs"
    CANCEL_TEAM_JOBS = "cancel the team's jobs"
    MANAGE_KEYS = "create and change users, teams and keys"
    READ_OWN_ACCOUNT = "read own keys, teams and entitlements"
    READ_QUOTAS = "read quotas"
    CHANGE_QUOTAS = "create and change quotas"
    TUNE_SERVER = "change what the server logs and traces"


_EVERYBODY = frozenset({Action.READ_LIBRARY, Action.READ_OWN_ACCOUNT, Action.READ_QUOTAS})
_RUNS_JOBS = frozenset({Action.SUBMIT_JOBS, Action.READ_OWN_JOBS, Action.CANCEL_OWN_JOBS})
_LEADS_TEAM = frozenset({Action.READ_OWN_JOBS, Action.READ_TEAM_JOBS, Action.CANCEL_OWN_JOBS, Action.CANCEL_TEAM_JOBS})

ALLOWED: Mapping[Role, frozenset[Action]] = {
    Role.SYSTEM_OWNER: _EVERYBODY
    | _LEADS_TEAM
    | {Action.MANAGE_KEYS, Action.CHANGE_QUOTAS, Action.APPROVE_MODELS, Action.SCALE_ENGINES, Action.DEPLOY_MODELS}
    | {Action.TUNE_SERVER},
    Role.ACCOUNT_ADMIN: _EVERYBODY | _LEADS_TEAM | {Action.MANAGE_KEYS, Action.APPROVE_MODELS, Action.SCALE_ENGINES},
    Role.DATA_SCIENTIST: _EVERYBODY | _RUNS_JOBS | {Action.DEPLOY_MODELS},
    Role.DEVELOPER: _EVERYBODY | _RUNS_JOBS,
    Role.AUDITOR: _EVERYBODY | {Action.READ_OWN_JOBS, Action.READ_TEAM_JOBS},
    Role.PROJECT: _EVERYBODY | _RUNS_JOBS,
    Role.TEAM_ROLE: frozenset(),
}


class Status(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class User:
    identifier: str
    external_identifier: str
    email: str
    first_name: str
    last_name: str
    title: str
    status: Status
    created: Millis


@dataclass(frozen=True, slots=True)
class Team:
    identifier: str
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`prefix.body`, of which only the prefix and a keyed hash of the body are stored."""

    prefix: str
    name: str
    user: str
    team: str
    roles: frozenset[Role]
    is_default: bool
    status: Status
    created: Millis
    last_used: Millis | None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from, after its key was checked."""

    account: str
    team: str
    user: User
    key: str  # the prefix
    roles: frozenset[Role]

    def may(self, action: Action) -> bool:
        return action in _allowed(self.roles)


@lru_cache(maxsize=256)
def _allowed(roles: frozenset[Role]) -> frozenset[Action]:
    """Asked for every request: the union is made once for each set of roles."""
    return frozenset().union(*(ALLOWED[role] for role in roles))
