"""Replicas of several servers: shares that make the whole, and one list of all."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.domain.ids import VersionKey
from headrace.domain.replica import ReplicaState
from headrace.fleet import elsewhere
from headrace.fleet.status import EngineInfo, EngineStatus

KEY, OTHER = VersionKey("abcdefghij", "1.0.0"), VersionKey("abcdefghij", "2.0.0")


@given(total=st.integers(0, 40), servers=st.integers(1, 9), version=st.integers(0, 99))
def test_the_shares_of_all_servers_make_the_whole(total, servers, version):
    key = VersionKey("abcdefghij", f"1.0.{version}")
    shares = [elsewhere.share(total, key, (number, servers)) for number in range(servers)]
    assert total == sum(shares)
    assert max(shares) - min(shares) <= 1


def test_odd_replicas_are_spread_over_the_servers():
    first = [elsewhere.share(1, VersionKey("abcdefghij", f"1.0.{n}"), (0, 3)) for n in range(300)]
    assert 60 < sum(first) < 140


def test_replicas_of_all_servers_are_told_together():
    here = EngineStatus(ready=1, waiting=7, engines=(EngineInfo("a", 1, ReplicaState.READY),))
    there = EngineStatus(
        ready=2, failed=1, waiting=9, engines=(EngineInfo("b", 2, ReplicaState.RUNNING),), last_error="x"
    )
    content = elsewhere.told({KEY: there, OTHER: there, VersionKey("z", "1.0.0"): EngineStatus()})

    found = elsewhere.together({KEY: here}, [content, b"", b"not of this version"])
    assert {KEY, OTHER} == set(found)
    assert there == found[OTHER]
    both = found[KEY]
    assert (3, 1, 9, "x") == (both.ready, both.failed, both.waiting, both.last_error)
    assert ["a", "b"] == [engine.name for engine in both.engines]
