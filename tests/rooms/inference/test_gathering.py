"""For how many turns of the loop a batch waits for callers that were just answered."""

import pytest

from headrace.inference.gathering import MOST_TURNS, Gathering


def turns(gathering: Gathering, waiting: list[int], most: int = 64) -> int:
    """How many turns it goes on for, when so many wait in each of them; the last number stays."""
    for turn in range(1000):
        if not gathering.goes_on(waiting[min(turn, len(waiting) - 1)], most):
            return turn
    raise AssertionError("it never ends")


def answered(*batches: tuple[int, int]) -> Gathering:
    """By pairs: callers that were answered, and others that waited then."""
    gathering = Gathering()
    for callers, waiting in batches:
        gathering.answered(callers, waiting)
    return gathering


def test_nobody_was_answered_and_so_nobody_is_expected():
    assert turns(Gathering(), [1]) == 0


def test_it_ends_in_the_turn_in_which_all_are_back():
    assert turns(answered((4, 4)), [4, 6, 8]) == 2


def test_two_groups_become_one():
    """Four were answered while four others waited: these give the first four the time to come back."""
    assert turns(answered((4, 4)), [4, 4, 5, 5, 7, 8]) == 5


@pytest.mark.parametrize("waiting", [[4], [4, 5], [4, 5, 5, 6]])
def test_who_does_not_come_back_is_waited_for_two_turns_after_the_last_one(waiting):
    assert turns(answered((4, 4)), waiting) == len(waiting) - 1 + 2


def test_it_ends_even_where_one_comes_in_each_turn():
    assert turns(answered((500, 1)), list(range(1, 400)), most=1000) == MOST_TURNS


def test_a_batch_that_is_full_leaves_at_once():
    assert turns(answered((4, 4)), [4], most=4) == 0


def test_answers_of_several_replicas_in_one_turn_are_added():
    assert turns(answered((2, 3), (2, 3)), [3, 5, 6, 7]) == 3


def test_after_a_batch_has_left_nobody_is_expected_any_more():
    gathering = answered((4, 4))
    assert turns(gathering, [8]) == 0
    assert turns(gathering, [1]) == 0
