"""The single gate: what a key may do, and whose things it sees. Pure.

What may not be seen is to the caller as if it did not exist: the doors answer NotFound, with the same words.
"""

from collections.abc import Sequence

from headrace.domain.account import ALLOWED, Action, ApiKey, Principal, Role
from headrace.domain.errors import Forbidden
from headrace.domain.job import Job
from headrace.domain.model import Model, Scope
from headrace.domain.quota import Quota, QuotaScope

_RULES_ACCOUNT = frozenset({Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN})


def require(principal: Principal, action: Action) -> None:
    """Raises Forbidden with what the key is, and what it would have to be."""
    if not principal.may(action):
        able = ", ".join(role for role in Role if action in ALLOWED[role])
        has = ", ".join(sorted(principal.roles)) or "none"
        raise Forbidden(f"this key may not {action.value}: its roles are {has}, and it needs one of {able}")


def rules_account(principal: Principal) -> bool:
    """Sees and edits every model of the account."""
    return bool(principal.roles & _RULES_ACCOUNT)


def sees_model(principal: Principal, model: Model) -> bool:
    if edits_model(principal, model):
        return True
    same_account = principal.account == model.account
    match model.visibility.scope:
        case Scope.ALL:
            return True
        case Scope.ACCOUNT:
            return same_account
        case Scope.TEAM:
            return same_account and principal.team in {model.team, *model.visibility.teams}
        case Scope.PRIVATE:
            return False


def edits_model(principal: Principal, model: Model) -> bool:
    """Whose model it is. Whether the key may edit models at all is `require`'s question."""
    if principal.account != model.account:
        return False
    return principal.user.identifier == model.owner or rules_account(principal)


def sees_job(principal: Principal, job: Job) -> bool:
    return _reaches(principal, job, Action.READ_OWN_JOBS, Action.READ_TEAM_JOBS)


def sees_all_teams(principal: Principal) -> bool:
    """Reads the jobs of every team of the account, not of the own one only."""
    return Role.SYSTEM_OWNER in principal.roles


def cancels_job(principal: Principal, job: Job) -> bool:
    return _reaches(principal, job, Action.CANCEL_OWN_JOBS, Action.CANCEL_TEAM_JOBS)


def _reaches(principal: Principal, job: Job, own: Action, team: Action) -> bool:
    if principal.account != job.account:
        return False
    if principal.user.identifier == job.user and principal.may(own):
        return True
    if not principal.may(team):
        return False
    return principal.team == job.team or sees_all_teams(principal)


def sees_key(principal: Principal, key: ApiKey) -> bool:
    return principal.user.identifier == key.user or manages_key(principal, key)


def manages_key(principal: Principal, key: ApiKey) -> bool:
    """May change or renew it. A team administrator reaches no platform administrator's key: it would be a promotion."""
    if Role.SYSTEM_OWNER in principal.roles:
        return True
    return principal.may(Action.MANAGE_KEYS) and principal.team == key.team and Role.SYSTEM_OWNER not in key.roles


def renews_key(principal: Principal, key: ApiKey) -> bool:
    """May be shown a new body for it. Of the own user's keys only those that can do no more than the key that asks."""
    own = principal.user.identifier == key.user and key.team == principal.team and key.roles <= principal.roles
    return own or manages_key(principal, key)


def check_grant(principal: Principal, roles: frozenset[Role]) -> None:
    """Nobody gives away more than they have: only platform administrators make platform administrators."""
    require(principal, Action.MANAGE_KEYS)
    if Role.SYSTEM_OWNER in roles and Role.SYSTEM_OWNER not in principal.roles:
        raise Forbidden("only a key with the role SYSTEM_OWNER may give the role SYSTEM_OWNER")


def check_new_key(principal: Principal, team: str, roles: frozenset[Role], held: Sequence[ApiKey]) -> None:
    """`held`: the keys that the future user has already. A key acts as its user, so it must not reach beyond the team.

    Raises Forbidden.
    """
    check_grant(principal, roles)
    if Role.SYSTEM_OWNER in principal.roles:
        return
    if principal.team != team:
        raise Forbidden("a team administrator makes keys of the own team only")
    if not all(manages_key(principal, key) for key in held):
        raise Forbidden("this user has keys beyond your team: ask a platform administrator to make this one")


def sees_quota(principal: Principal, quota: Quota) -> bool:
    """Platform administrators and auditors all, team administrators the team's, everybody their own."""
    if principal.roles & {Role.SYSTEM_OWNER, Role.AUDITOR}:
        return True
    match quota.scope:
        case QuotaScope.USER:
            return quota.subject == principal.user.identifier
        case QuotaScope.TEAM:
            return quota.subject == principal.team
        case QuotaScope.PROJECT:
            return False
