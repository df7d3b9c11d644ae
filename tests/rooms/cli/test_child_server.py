"""The demo's own server: what is said when it does not start, and which port it gets."""

import socket

import pytest

from headrace.cli.child_server import ChildServer, free_port
from headrace.cli.failure import Failure


def test_a_server_that_ends_at_once_shows_its_last_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_SERVER_PROT", "1")
    with pytest.raises(Failure) as caught:
        ChildServer(tmp_path / "data", free_port()).start()

    assert "the server ended at once" in caught.value.message
    assert "did you mean HEADRACE_SERVER_PORT?" in caught.value.message
    assert "headrace doctor" in caught.value.cure


def test_stopping_what_never_started_is_nothing(tmp_path):
    server = ChildServer(tmp_path, 1)
    server.stop()

    assert 0 == server.process_id


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()

        assert port != free_port()
