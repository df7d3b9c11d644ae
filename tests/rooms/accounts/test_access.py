"""The single gate: roles times whose thing it is, held against a matrix written out by hand."""

import itertools

import pytest

from headrace.accounts import access
from headrace.domain.account import Action, ApiKey, Principal, Role, Status, User
from headrace.domain.errors import Forbidden
from headrace.domain.ids import VersionKey
from headrace.domain.job import Job, JobState
from headrace.domain.model import Model, Scope, Visibility
from headrace.domain.quota import Quota, QuotaScope
from headrace.domain.source import SourceKind

OWNER, ADMIN, SCIENTIST = Role.SYSTEM_OWNER, Role.ACCOUNT_ADMIN, Role.DATA_SCIENTIST
DEVELOPER, AUDITOR, PROJECT = Role.DEVELOPER, Role.AUDITOR, Role.PROJECT
ROLES = (OWNER, ADMIN, SCIENTIST, DEVELOPER, AUDITOR, PROJECT)


def who(*roles, user="me", team="red", account="acme", key="my-key"):
    person = User(user, "", f"{user}@example.com", "", "", "", Status.ACTIVE, 1)
    return Principal(account, team, person, key, frozenset({*roles, Role.TEAM_ROLE}))


def model(scope, owner="other", team="red", account="acme", teams=()):
    return Model(
        identifier="abcdefghij", account=account, team=team, author="acme", name="m", description="",
        recommended=False, commercial=False, features=(), tags=(), pictures=(), visibility=Visibility(scope, teams),
        versions=(), active_versions=(), owner=owner, owner_email="", owner_name="", created=1, updated=1,
        last_used=None, expires=None,
    )  # fmt: skip


def job(user="other", team="red", account="acme"):
    return Job(
        id="j", number=1, account=account, team=team, user=user, key="k", version=VersionKey("abcdefghij", "1.0.0"),
        kind=SourceKind.TEXT, state=JobState.SUBMITTED, explain=False, timeout=0, total=0, completed=0, failed=0,
        canceled=0, input_bytes=0, created=1, updated=1, submitted=1, started=None, ended=None, queue_total=0,
        latency_total=0.0, hours_delete_input=1,
    )  # fmt: skip


def key(user="other", team="red", roles=(DEVELOPER,)):
    return ApiKey(
        "other-key", "", user, team, frozenset(roles), is_default=False, status=Status.ACTIVE, created=1, last_used=None
    )


@pytest.mark.parametrize(("role", "action"), list(itertools.product(ROLES, Action)))
def test_require_lets_pass_or_says_what_is_missing(role, action):
    if who(role).may(action):
        access.require(who(role), action)
        return
    with pytest.raises(Forbidden) as error:
        access.require(who(role), action)
    assert action.value in error.value.message
    assert f"its roles are {', '.join(sorted([role, Role.TEAM_ROLE]))}" in error.value.message


def test_require_names_the_roles_that_could():
    with pytest.raises(Forbidden, match="it needs one of DATA_SCIENTIST, Developer, PROJECT"):
        access.require(who(AUDITOR), Action.SUBMIT_JOBS)


MINE, TEAMS, SHARED, ACCOUNTS, ALIEN = (
    {"owner": "me", "team": "blue"},
    {"team": "red"},
    {"team": "blue", "teams": ("green", "red")},
    {"team": "blue"},
    {"team": "red", "account": "alien"},
)


@pytest.mark.parametrize(
    ("whose", "scope", "sees"),
    [
        (MINE, Scope.PRIVATE, True), (MINE, Scope.TEAM, True), (MINE, Scope.ACCOUNT, True), (MINE, Scope.ALL, True),
        (TEAMS, Scope.PRIVATE, False), (TEAMS, Scope.TEAM, True), (TEAMS, Scope.ACCOUNT, True),
        (TEAMS, Scope.ALL, True),
        (SHARED, Scope.PRIVATE, False), (SHARED, Scope.TEAM, True), (SHARED, Scope.ACCOUNT, True),
        (ACCOUNTS, Scope.PRIVATE, False), (ACCOUNTS, Scope.TEAM, False), (ACCOUNTS, Scope.ACCOUNT, True),
        (ALIEN, Scope.PRIVATE, False), (ALIEN, Scope.TEAM, False), (ALIEN, Scope.ACCOUNT, False),
        (ALIEN, Scope.ALL, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", [SCIENTIST, DEVELOPER, AUDITOR, PROJECT])
def test_who_sees_a_model(role, whose, scope, sees):
    assert sees is access.sees_model(who(role), model(scope, **whose))


@pytest.mark.parametrize("role", [OWNER, ADMIN])
@pytest.mark.parametrize("scope", Scope)
def test_administrators_see_and_edit_every_model_of_the_account_and_none_beyond(role, scope):
    assert access.sees_model(who(role), model(scope, team="blue"))
    assert access.edits_model(who(role), model(scope, team="blue"))
    assert (scope is Scope.ALL) is access.sees_model(who(role), model(scope, account="alien"))
    assert not access.edits_model(who(role), model(scope, account="alien", owner="me"))


@pytest.mark.parametrize("role", [SCIENTIST, DEVELOPER, AUDITOR, PROJECT])
def test_the_others_edit_their_own_models(role):
    assert access.edits_model(who(role), model(Scope.PRIVATE, owner="me"))
    assert not access.edits_model(who(role), model(Scope.ALL))


@pytest.mark.parametrize(
    ("role", "sees_own", "sees_team", "sees_account", "cancels_own", "cancels_team", "cancels_account"),
    [
        (OWNER, True, True, True, True, True, True),
        (ADMIN, True, True, False, True, True, False),
        (SCIENTIST, True, False, False, True, False, False),
        (DEVELOPER, True, False, False, True, False, False),
        (AUDITOR, True, True, False, False, False, False),
        (PROJECT, True, False, False, True, False, False),
        (Role.TEAM_ROLE, False, False, False, False, False, False),
    ],
)
def test_who_sees_and_cancels_which_jobs(
    role, sees_own, sees_team, sees_account, cancels_own, cancels_team, cancels_account
):
    jobs = [job(user="me", team="blue"), job(), job(team="blue")]

    assert [sees_own, sees_team, sees_account] == [access.sees_job(who(role), one) for one in jobs]
    assert [cancels_own, cancels_team, cancels_account] == [access.cancels_job(who(role), one) for one in jobs]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_reaches_a_job_of_another_account(role):
    alien = job(user="me", account="alien")

    assert not access.sees_job(who(role), alien)
    assert not access.cancels_job(who(role), alien)


def test_only_platform_administrators_see_all_teams():
    assert [OWNER] == [role for role in ROLES if access.sees_all_teams(who(role))]


def test_keys_are_seen_by_their_user_and_managed_by_administrators():
    assert access.sees_key(who(DEVELOPER), key(user="me"))
    assert not access.manages_key(who(DEVELOPER), key(user="me"))
    assert not access.sees_key(who(DEVELOPER), key())
    assert access.manages_key(who(ADMIN), key())
    assert not access.manages_key(who(ADMIN), key(team="blue"))
    assert access.manages_key(who(OWNER), key(team="blue"))


def test_a_team_administrator_cannot_become_more():
    with pytest.raises(Forbidden, match="SYSTEM_OWNER"):
        access.check_grant(who(ADMIN), frozenset({OWNER}))
    assert not access.manages_key(who(ADMIN), key(roles=(OWNER, DEVELOPER)))  # renewing it would hand over its body
    access.check_grant(who(ADMIN), frozenset({ADMIN, SCIENTIST}))
    access.check_grant(who(OWNER), frozenset({OWNER}))


def test_a_weak_key_does_not_open_its_users_stronger_ones():
    assert access.renews_key(who(DEVELOPER), key(user="me"))
    assert not access.renews_key(who(DEVELOPER), key(user="me", roles=(OWNER,)))
    assert not access.renews_key(who(DEVELOPER), key(user="me", team="blue"))
    assert not access.renews_key(who(DEVELOPER), key())
    assert not access.renews_key(who(ADMIN), key(user="me", roles=(OWNER,)))
    assert access.renews_key(who(ADMIN), key())
    assert access.renews_key(who(OWNER), key(team="blue"))


@pytest.mark.parametrize("role", [SCIENTIST, DEVELOPER, AUDITOR, PROJECT])
def test_the_others_give_no_roles(role):
    with pytest.raises(Forbidden):
        access.check_grant(who(role), frozenset({DEVELOPER}))


def test_a_team_administrator_makes_keys_for_users_of_the_team_only():
    developer = frozenset({DEVELOPER})

    access.check_new_key(who(ADMIN), "red", developer, [])
    access.check_new_key(who(ADMIN), "red", developer, [key()])
    for team, held in (("blue", []), ("red", [key(team="blue")]), ("red", [key(roles=(OWNER,))])):
        with pytest.raises(Forbidden):
            access.check_new_key(who(ADMIN), team, developer, held)
        access.check_new_key(who(OWNER), team, developer, held)


@pytest.mark.parametrize(
    ("role", "expected"),
    [(OWNER, "mtb"), (AUDITOR, "mtb"), (ADMIN, "mt"), (SCIENTIST, "mt"), (DEVELOPER, "mt")],
)
def test_who_sees_which_quota(role, expected):
    quotas = {
        "m": Quota("1", QuotaScope.USER, "me", 1, 0, None, None, None),
        "t": Quota("2", QuotaScope.TEAM, "red", 1, 0, None, None, None),
        "b": Quota("3", QuotaScope.PROJECT, "p", 1, 0, None, None, None),
    }

    assert expected == "".join(name for name, quota in quotas.items() if access.sees_quota(who(role), quota))
    stranger = Quota("4", QuotaScope.USER, "other", 1, 0, None, None, None)
    assert (role in (OWNER, AUDITOR)) is access.sees_quota(who(role), stranger)
