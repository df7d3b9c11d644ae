"""Which move of a version is legal when, and what is said when it is not."""

from dataclasses import replace

import pytest

from headrace.domain.errors import Conflict, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.version import (
    ARM,
    MOVES,
    Requirement,
    Step,
    StepState,
    Version,
    VersionStatus,
    check_move,
    missing_steps,
)

DONE = Step(StepState.DONE, 4, "Completed", 100)
DRAFT = Version(VersionKey("abcdefghij", "1.0.0"), VersionStatus.PARTIAL, 1, 1, "ann@example.com")
TESTED = replace(DRAFT, image_step=DONE, load=DONE, run=DONE)


def test_a_tested_draft_becomes_active():
    check_move(TESTED, VersionStatus.ACTIVE)
    assert [] == missing_steps(TESTED)


@pytest.mark.parametrize("status", VersionStatus)
def test_staying_is_no_move(status):
    check_move(replace(DRAFT, status=status), status)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (VersionStatus.PARTIAL, VersionStatus.INACTIVE),
        (VersionStatus.CANCELED, VersionStatus.ACTIVE),
        (VersionStatus.ACTIVE, VersionStatus.PARTIAL),
        (VersionStatus.REJECTED, VersionStatus.ACTIVE),
    ],
)
def test_a_move_that_is_not_in_the_table_is_a_conflict(old, new):
    with pytest.raises(Conflict, match=f"is {old} and cannot become {new}"):
        check_move(replace(TESTED, status=old), new)


def test_what_is_deleted_stays_deleted():
    assert frozenset() == MOVES[VersionStatus.DELETED]
    for new in set(VersionStatus) - {VersionStatus.DELETED}:
        with pytest.raises(Conflict):
            check_move(replace(TESTED, status=VersionStatus.DELETED), new)


def test_every_status_has_its_line_in_the_table():
    assert set(VersionStatus) == set(MOVES)


def test_the_next_step_is_named_with_its_request():
    with pytest.raises(NotReady, match=r"send POST /api/models/abcdefghij/versions/1\.0\.0/container-image"):
        check_move(DRAFT, VersionStatus.ACTIVE)
    with pytest.raises(NotReady, match="load-process"):
        check_move(replace(DRAFT, image_step=DONE), VersionStatus.ACTIVE)
    with pytest.raises(NotReady, match="run-process"):
        check_move(replace(TESTED, run=Step()), VersionStatus.ACTIVE)


def test_a_step_under_way_says_how_far_and_a_failed_one_why():
    under_way = replace(TESTED, run=Step(StepState.RUNNING, 2, "Submitting inputs", 50))
    failed = replace(TESTED, load=Step(StepState.FAILED, error="no module named torch"))

    assert ["the run test is still under way (50 %)"] == missing_steps(under_way)
    assert "no module named torch" in missing_steps(failed)[0]


def test_another_architecture_needs_no_run_test():
    check_move(replace(TESTED, run=Step(), requirement=Requirement(ARM)), VersionStatus.ACTIVE)
    with pytest.raises(NotReady):
        check_move(replace(TESTED, load=Step(), requirement=Requirement(ARM)), VersionStatus.ACTIVE)


def test_an_inactive_version_may_come_back():
    check_move(replace(TESTED, status=VersionStatus.INACTIVE), VersionStatus.ACTIVE)
