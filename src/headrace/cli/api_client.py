"""The HTTP API from the client's side: one connection, and error answers as a sentence with an exit code."""

from collections.abc import Mapping
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from headrace.cli.connection import Target
from headrace.cli.failure import ExitCode, Failure

T = TypeVar("T")
Query = Mapping[str, str | int | bool | None]

DEADLINE = 60.0  # seconds for an answer, unless the caller knows better
CODES = {
    401: ExitCode.DENIED,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    408: ExitCode.TIMEOUT,
    504: ExitCode.TIMEOUT,
}
CURES = {
    401: "give a valid key with --key or HEADRACE_API_KEY",
    403: "`headrace keys show` tells which roles your key has",
}


class Fault(msgspec.Struct, rename="camel"):
    """The contract's error body."""

    message: str = ""
    technical_information: str = ""


class Api:
    def __init__(self, target: Target) -> None:
        self.target = target
        plain = target.url.startswith("http://")
        try:
            self._http = httpx2.Client(
                base_url=f"{target.url}/api/",
                headers={"Authorization": f"ApiKey {target.key}", "Accept": "application/json"},
                timeout=httpx2.Timeout(DEADLINE, connect=10.0),
                verify=not plain,  # without TLS there is nothing to verify, and reading the certificates costs 80 ms
                trust_env=not _is_local(target.url),  # a proxy cannot reach our own loopback
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise Failure(f"{target.url} is not a URL: {error}", ExitCode.USAGE) from error

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None, *, deadline: float = DEADLINE) -> bytes:
        return self._ask("GET", path, params=_given(query), timeout=deadline)

    def read(self, kind: type[T], path: str, query: Query | None = None) -> T:
        return decode(self.get(path, query), kind)

    def post(self, path: str, body: Any = None, *, deadline: float = DEADLINE) -> bytes:
        return self._ask("POST", path, **_json(body), timeout=deadline)

    def put(self, path: str, body: Any) -> bytes:
        return self._ask("PUT", path, **_json(body))

    def patch(self, path: str, body: Any, *, deadline: float = DEADLINE) -> bytes:
        return self._ask("PATCH", path, **_json(body), timeout=deadline)

    def delete(self, path: str) -> bytes:
        return self._ask("DELETE", path)

    def upload(self, path: str, part: str, file: IO[bytes], filename: str, query: Query | None = None) -> bytes:
        """One multipart part; the file is read while it is sent. The server may think long before it answers."""
        timeout = httpx2.Timeout(DEADLINE, read=600.0)
        return self._ask("POST", path, params=_given(query), files={part: (filename, file)}, timeout=timeout)

    def _ask(self, method: str, path: str, **parts: Any) -> bytes:
        try:
            answer = self._http.request(method, path, **parts)
        except httpx2.ConnectError as error:
            raise Failure(
                f"no server answers at {self.target.url} (told by {self.target.told_by}): {error}",
                cure="start one with `headrace serve`, or name another with --url; `headrace doctor` looks closer",
            ) from error
        except httpx2.TimeoutException as error:
            raise Failure(f"{self.target.url} did not answer {method} {path} in time", ExitCode.TIMEOUT) from error
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise Failure(f"{self.target.url} is not a URL of a server: {error}", ExitCode.USAGE) from error
        except httpx2.HTTPError as error:
            raise Failure(f"the connection to {self.target.url} broke: {error}") from error
        if answer.is_success:
            return answer.content
        raise _failure(answer, f"{method} {path}")


def decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failure(
            f"the server's answer is not what this API promises: {error}", cure="is the URL that of a Headrace server?"
        ) from error


def segment(name: str) -> str:
    """A user's own name as one piece of a path."""
    return quote(name, safe="")


def _failure(answer: httpx2.Response, request: str) -> Failure:
    try:
        fault = msgspec.json.decode(answer.content, type=Fault)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = Fault()
    message = fault.message or f"the server answered {request} with {answer.status_code} {answer.reason_phrase}"
    if fault.technical_information:
        message = f"{message}\n{fault.technical_information}"
    return Failure(message, CODES.get(answer.status_code, ExitCode.FAILED), cure=CURES.get(answer.status_code, ""))


def _given(query: Query | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def _json(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"content": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}


def _is_local(url: str) -> bool:
    return httpx2.URL(url).host in {"127.0.0.1", "localhost", "::1"}
