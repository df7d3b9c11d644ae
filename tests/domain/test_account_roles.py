"""The one table that says which role may do what, held against the documented one (contracts/modzy.md, A.8)."""

import pytest

from headrace.domain.account import ALLOWED, Action, Principal, Role, Status, User

ANN = User("u-1", "ann", "ann@example.com", "Ann", "Lee", "", Status.ACTIVE, 1)

DOCUMENTED = {
    Action.SUBMIT_JOBS: {Role.DATA_SCIENTIST, Role.DEVELOPER, Role.PROJECT},
    Action.DEPLOY_MODELS: {Role.SYSTEM_OWNER, Role.DATA_SCIENTIST},
    Action.APPROVE_MODELS: {Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN},
    Action.MANAGE_KEYS: {Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN},
    Action.CHANGE_QUOTAS: {Role.SYSTEM_OWNER},
    Action.CANCEL_OWN_JOBS: set(Role) - {Role.AUDITOR, Role.TEAM_ROLE},
    Action.CANCEL_TEAM_JOBS: {Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN},
    Action.READ_TEAM_JOBS: {Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN, Role.AUDITOR},
    Action.READ_LIBRARY: set(Role) - {Role.TEAM_ROLE},
}


def principal(*roles):
    return Principal("acme", "t-1", ANN, "prefix", frozenset(roles))


def test_every_role_has_its_line():
    assert set(Role) == set(ALLOWED)


@pytest.mark.parametrize("action", DOCUMENTED)
def test_an_action_belongs_to_the_documented_roles(action):
    assert DOCUMENTED[action] == {role for role in Role if principal(role).may(action)}


@pytest.mark.parametrize("action", Action)
def test_somebody_may_do_each_action_and_the_team_role_none(action):
    assert any(principal(role).may(action) for role in Role)
    assert not principal(Role.TEAM_ROLE).may(action)
    assert not principal().may(action)


def test_roles_add_up():
    both = principal(Role.AUDITOR, Role.DEVELOPER)

    assert both.may(Action.SUBMIT_JOBS)
    assert both.may(Action.READ_TEAM_JOBS)
