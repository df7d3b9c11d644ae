"""Requests to the engine from a thread of ours: they need no event loop, so a busy server still holds the limits."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from headrace.domain.errors import Unavailable
from headrace.runners.containers.refusals import refusal

STREAMS = (101, 200)
SECONDS = 20.0  # for one answer
LONGEST_REASON = 2_000  # bytes


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens: the path of its socket, or host and port. `base`: "/v1.41"."""

    base: str
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else f"tcp://{self.host}:{self.port}"

    def dial(self) -> socket.socket:
        """Raises OSError."""
        if not self.path:
            return socket.create_connection((self.host, self.port), SECONDS)
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            dialled.settimeout(SECONDS)
            dialled.connect(self.path)
        except BaseException:
            dialled.close()
            raise
        return dialled


class _Connection(HTTPConnection):
    def __init__(self, address: Address) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = self._address.dial()


def ask(address: Address, method: str, path: str) -> tuple[int, Any]:
    """Status and JSON (None where the answer is none). Raises Unavailable."""
    connection = _Connection(address)
    try:
        connection.request(method, address.base + path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        raise Unavailable(f"the container engine at {address} does not answer", technical=repr(error)) from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(body)
    except ValueError:
        return answer.status, None


class _Refused(Exception):
    """Status and text."""


def attach(address: Address, container: str) -> socket.socket:
    """The stream of all that a container prints from now on. podman prepares the container for it.

    Raises Unavailable, and what is wrong with a container that cannot be prepared.
    """
    try:
        return _attached(address, container)
    except _Refused as error:
        raise refusal(f"at {address}", *error.args) from None
    except OSError as error:
        raise Unavailable(f"the container engine at {address} does not answer", technical=repr(error)) from error


def _attached(address: Address, container: str) -> socket.socket:
    dialled = address.dial()
    try:
        path = f"{address.base}/containers/{container}/attach?stream=1&stdout=1&stderr=1"
        lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 0")
        dialled.sendall("\r\n".join([*lines, "", ""]).encode())
        _accepted(dialled)
        dialled.settimeout(0)
    except BaseException:
        dialled.close()
        raise
    return dialled


def _accepted(dialled: socket.socket) -> None:
    """Raises _Refused, OSError."""
    said = b""
    while not said.endswith(b"\r\n\r\n"):  # byte by byte: what follows is the container's
        piece = dialled.recv(1)
        if not piece:
            raise ConnectionResetError("it hung up")
        said += piece
    status = int(said.split(b" ", 2)[1])
    if status not in STREAMS:
        raise _Refused(status, _message(dialled.recv(LONGEST_REASON)))


def _message(body: bytes) -> str:
    with suppress(ValueError):
        said = json.loads(body)
        if isinstance(said, dict):
            return str(said.get("message", ""))
    return body.decode(errors="replace").strip()


class Unmixed:
    """Takes the frames apart in which an engine mixes stdout and stderr: kind, three zeros, length, bytes."""

    HEAD = 8

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def printed(self, data: bytes) -> bytes:
        found = []
        while data:
            if self._left:
                found.append(data[: self._left])
                data, self._left = data[self._left :], self._left - len(found[-1])
                continue
            need = self.HEAD - len(self._head)
            self._head, data = self._head + data[:need], data[need:]
            if len(self._head) == self.HEAD:
                self._left, self._head = int.from_bytes(self._head[4:]), b""
        return b"".join(found)
