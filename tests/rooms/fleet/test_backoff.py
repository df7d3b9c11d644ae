"""Back-off after failures in a row."""

from headrace.domain.errors import ModelFailed
from headrace.fleet.backoff import BackOff

ERROR = ModelFailed("no module named x")


def failing(*, ready: bool = False, answered: int = 0, times: int = 1) -> BackOff:
    back_off = BackOff(first=500, longest=60_000)
    for _ in range(times):
        back_off.failed(ERROR, 1_000, ready=ready, answered=answered)
    return back_off


def test_the_delay_doubles_up_to_the_longest() -> None:
    assert [500, 1_000, 2_000] == [failing(times=n).delay for n in (1, 2, 3)]
    assert 60_000 == failing(times=100).delay


def test_it_may_start_again_when_the_delay_is_over() -> None:
    back_off = failing()

    assert not back_off.may_start(1_499)
    assert back_off.may_start(1_500)


def test_it_refuses_after_three_starts_that_never_got_ready() -> None:
    assert [False, False, True] == [failing(times=n).refusing for n in (1, 2, 3)]


def test_a_replica_that_got_ready_is_not_refused_but_delayed() -> None:
    assert not failing(ready=True, times=5).refusing
    assert 8_000 == failing(ready=True, times=5).delay


def test_a_replica_that_had_answered_starts_again_at_once() -> None:
    back_off = failing(ready=True, answered=7, times=3)

    assert 0 == back_off.delay
    assert back_off.may_start(0)


def test_an_answer_forgets_everything() -> None:
    back_off = failing(times=5)
    back_off.answered()

    assert back_off.may_start(0)
    assert not back_off.refusing
    assert back_off.error is None


def test_getting_ready_ends_the_refusal() -> None:
    back_off = failing(times=3)
    back_off.got_ready()

    assert not back_off.refusing
