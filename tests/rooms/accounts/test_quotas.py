"""Charging, giving back, renewing: the sentences, the limits, and many at once."""

import asyncio

import pytest

from headrace.accounts import quotas
from headrace.accounts.quotas import QuotaOwner
from headrace.domain.errors import Invalid, NotFound, QuotaExceeded
from headrace.domain.quota import Period, QuotaScope, Terms

HOUR = 3_600_000
NOW = 1_700_000_000_000 // HOUR * HOUR + 1  # just after a full hour
ANN = QuotaOwner("ann", "red")
BOT = QuotaOwner("ann", "red", "project-1")


@pytest.fixture
def write(database):
    async def write(function, *args):
        return await database.write(lambda tx: function(tx, *args))

    return write


async def used(write, at):
    return [quota.used for quota in await write(quotas.find, at)]


async def test_no_quota_is_no_limit(write):
    await write(quotas.charge, ANN, 10**9, NOW)
    await write(quotas.credit, ANN, 10**9, NOW, NOW)


async def test_exactly_the_limit_fits_and_one_more_does_not(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10), NOW)

    await write(quotas.charge, ANN, 10, NOW)
    with pytest.raises(QuotaExceeded):
        await write(quotas.charge, ANN, 1, NOW)

    assert [10] == await used(write, NOW)


async def test_the_refusal_says_which_how_much_and_until_when(write):
    await write(quotas.create, QuotaScope.TEAM, "red", Terms(100, Period.DAILY), NOW)
    await write(quotas.charge, ANN, 95, NOW)

    with pytest.raises(QuotaExceeded) as error:
        await write(quotas.charge, ANN, 10, NOW + 1)

    assert (
        "the daily quota of team red is 100 inputs: 95 are used, 5 are left, and this job has 10;"
        " it renews at 2023-11-15 00:00 UTC"
    ) == error.value.message


@pytest.mark.parametrize(
    ("terms", "says"),
    [(Terms(0), "does not renew"), (Terms(0, None, NOW, NOW + HOUR), r"it ends at 2023-11-14 23:00 UTC")],
)
async def test_a_refusal_without_a_period(write, terms, says):
    await write(quotas.create, QuotaScope.USER, "ann", terms, NOW)

    with pytest.raises(QuotaExceeded, match=says):
        await write(quotas.charge, ANN, 1, NOW)


async def test_a_refusal_by_one_quota_leaves_no_trace_in_the_others(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(100), NOW)
    await write(quotas.create, QuotaScope.USER, "ann", Terms(100, Period.HOURLY), NOW)
    await write(quotas.create, QuotaScope.TEAM, "red", Terms(5), NOW)

    with pytest.raises(QuotaExceeded, match="team red"):
        await write(quotas.charge, ANN, 6, NOW)

    assert [0, 0, 0] == await used(write, NOW)


@pytest.mark.parametrize(
    ("owner", "counted"),
    [(ANN, {"user", "team"}), (BOT, {"team", "project"}), (QuotaOwner("bob", "blue"), set())],
)
async def test_whose_quotas_a_job_is_counted_in(write, owner, counted):
    for scope, subject in (("user", "ann"), ("team", "red"), ("project", "project-1")):
        await write(quotas.create, QuotaScope(scope), subject, Terms(10), NOW)

    await write(quotas.charge, owner, 1, NOW)

    assert counted == {quota.scope.value for quota in await write(quotas.find, NOW) if quota.used}


async def test_a_new_hour_counts_anew(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10, Period.HOURLY), NOW)
    await write(quotas.charge, ANN, 10, NOW)

    assert [0] == await used(write, NOW + HOUR)
    await write(quotas.charge, ANN, 4, NOW + HOUR)
    assert [4] == await used(write, NOW + HOUR)


async def test_what_was_charged_in_the_last_hour_is_not_given_back_to_this_one(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10, Period.HOURLY), NOW)
    await write(quotas.charge, ANN, 6, NOW)
    await write(quotas.charge, ANN, 5, NOW + HOUR)

    await write(quotas.credit, ANN, 6, NOW, NOW + HOUR)

    assert [5] == await used(write, NOW + HOUR)


async def test_what_is_given_back_can_be_used_again_but_not_more(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10), NOW)
    await write(quotas.charge, ANN, 10, NOW)

    await write(quotas.credit, ANN, 3, NOW, NOW + 5)
    await write(quotas.charge, ANN, 3, NOW + 6)
    await write(quotas.credit, ANN, 99, NOW, NOW + 7)

    assert [0] == await used(write, NOW + 7)


async def test_a_quota_made_after_the_job_gets_nothing_back_from_it(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10), NOW)
    await write(quotas.charge, ANN, 5, NOW)

    await write(quotas.credit, ANN, 4, NOW - 1, NOW + 1)

    assert [5] == await used(write, NOW + 1)


async def test_a_span_limits_only_inside_and_is_not_touched_after(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(1, None, NOW + 10, NOW + 20), NOW)

    await write(quotas.charge, ANN, 50, NOW)
    await write(quotas.charge, ANN, 1, NOW + 10)
    with pytest.raises(QuotaExceeded):
        await write(quotas.charge, ANN, 1, NOW + 19)
    await write(quotas.charge, ANN, 50, NOW + 20)
    await write(quotas.credit, ANN, 1, NOW + 10, NOW + 30)

    assert [1] == await used(write, NOW + 30)


async def test_another_limit_keeps_the_count(write):
    made = await write(quotas.create, QuotaScope.USER, "ann", Terms(10, Period.DAILY), NOW)
    await write(quotas.charge, ANN, 8, NOW)

    changed = await write(quotas.change, made.identifier, Terms(5, Period.DAILY), NOW + 1)

    assert (5, 8) == (changed.limit, changed.used)
    with pytest.raises(QuotaExceeded, match="8 are used, 0 are left"):
        await write(quotas.charge, ANN, 1, NOW + 1)


async def test_another_period_begins_a_new_count(write):
    made = await write(quotas.create, QuotaScope.USER, "ann", Terms(10, Period.DAILY), NOW)
    await write(quotas.charge, ANN, 8, NOW)

    changed = await write(quotas.change, made.identifier, Terms(10, Period.HOURLY), NOW + 1)
    await write(quotas.credit, ANN, 8, NOW, NOW + 2)
    await write(quotas.charge, ANN, 10, NOW + 3)

    assert (Period.HOURLY, 0) == (changed.period, changed.used)
    assert [10] == await used(write, NOW + 3)


async def test_a_removed_quota_limits_nothing(write):
    made = await write(quotas.create, QuotaScope.USER, "ann", Terms(0), NOW)
    await write(quotas.remove, made.identifier)

    await write(quotas.charge, ANN, 1, NOW)
    for function, args in ((quotas.remove, ()), (quotas.get, (NOW,)), (quotas.change, (Terms(), NOW))):
        with pytest.raises(NotFound, match=made.identifier):
            await write(function, made.identifier, *args)


async def test_terms_are_checked(write):
    made = await write(quotas.create, QuotaScope.USER, "ann", Terms(5), NOW)

    with pytest.raises(Invalid):
        await write(quotas.create, QuotaScope.USER, "ann", Terms(-1), NOW)
    with pytest.raises(Invalid):
        await write(quotas.change, made.identifier, Terms(1, Period.DAILY, starts=1), NOW)


async def test_160_jobs_of_10_at_once_against_a_limit_of_1000(database):
    await database.write(lambda tx: quotas.create(tx, QuotaScope.USER, "ann", Terms(1000), NOW))

    ends = await asyncio.gather(
        *(database.write(lambda tx: quotas.charge(tx, ANN, 10, NOW)) for _ in range(160)), return_exceptions=True
    )
    [quota] = await database.read(lambda tx: quotas.find(tx, NOW))

    assert 100 == sum(end is None for end in ends)
    assert 60 == sum(isinstance(end, QuotaExceeded) for end in ends)
    assert 1000 == quota.used


async def test_a_clock_that_was_set_back_does_not_let_the_count_drift(write):
    await write(quotas.create, QuotaScope.USER, "ann", Terms(10), NOW)

    await write(quotas.charge, ANN, 4, NOW - HOUR)
    await write(quotas.credit, ANN, 3, NOW - HOUR, NOW - HOUR + 1)

    assert [1] == await used(write, NOW)
