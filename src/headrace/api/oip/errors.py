"""Errors -> the protocol's answer: always JSON with the one key `error`, Content-Type exactly application/json.

tritonclient reads only `error`; kserve's client reads it only under that very Content-Type (contracts/oip.md, 9).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from headrace.api import errors as doors
from headrace.api.errors import Problem
from headrace.domain import errors

log = logging.getLogger(__name__)

JSON = "application/json"
UNEXPECTED = "something went wrong in the server; it was written to the server's log"

# where the protocol differs from the table of api/errors.py (contracts/oip.md, A5)
STATUS: Mapping[type[errors.HeadraceError], int] = {
    errors.Unsupported: 501,
    errors.NotReady: 503,
    errors.ModelFailed: 500,
    errors.NotStarted: 503,
}


class ErrorBody(msgspec.Struct):
    """The body of every error of the protocol."""

    error: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as HTTP sees it."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(ErrorBody(self.message))


def refusal(error: Exception) -> Refusal:
    match error:
        case Problem():
            return _problem(error)
        case errors.HeadraceError():
            return _domain(error)
        case ClientDisconnect():
            return Refusal(doors.CLOSED_REQUEST, "the client has gone")
        case _:
            log.error("unexpected error in a handler", exc_info=error)
            return Refusal(500, UNEXPECTED)


def answer(error: Exception) -> Response:
    found = refusal(error)
    return Response(found.body, found.status, dict(found.headers), JSON)


def status_of(error: errors.HeadraceError) -> int:
    found = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    return doors.status_of(error) if found is None else found


def _problem(error: Problem) -> Refusal:
    """Of paths, methods and packed bodies clients are told in Triton's words. Only an inference may be packed."""
    if error.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        return Refusal(400, "Unsupported content-encoding, only 'identity' is supported.", error.headers)
    words = {404: "Not Found", 405: "Method Not Allowed"}
    return Refusal(error.status, words.get(error.status, error.message), error.headers)


def _domain(error: errors.HeadraceError) -> Refusal:
    status, headers = status_of(error), {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(doors.retry_after(error))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "ApiKey"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.technical:
        log.warning("%s: %s %s", type(error).__name__, error.message, error.technical)
    return Refusal(status, error.message, headers)
