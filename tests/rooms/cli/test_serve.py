"""The flags of `headrace serve`, as the settings that the server gets."""

import gc

import pytest

from headrace import serve


@pytest.fixture
def served(plain, monkeypatch, tmp_path):
    """Settings that the server would have been started with."""
    found = []
    monkeypatch.setattr(serve, "run", found.append)

    def start(*flags):
        assert 0 == plain("serve", "--data", str(tmp_path), *flags).code
        gc.enable()  # the server would have
        return found.pop()

    return start


def test_the_edge_api_is_closed_unless_it_is_wanted(served):
    assert -1 == served().edge.port
    assert (55_000, "127.0.0.1") == (served("--edge").edge.port, served("--edge").edge.host)
    assert 1234 == served("--set", "edge.port=1234").edge.port


def test_flags_of_their_own(served):
    found = served("--host", "::1", "--port", "9000", "--set", "fleet.engines=8")
    assert ("::1", 9000, 8) == (found.server.host, found.server.port, found.fleet.engines)
