"""Errors -> HTTP: one table. Every error leaves as the contract's JSON, with a sentence and without a traceback."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from headrace.domain import errors
from headrace.storage.disk import is_full

log = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds; told with 503
CLOSED_REQUEST = 499  # nobody reads this answer: the client has gone

STATUS: Mapping[type[errors.HeadraceError], int] = {
    errors.TooLarge: 413,
    errors.KeyReused: 422,
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NotReady: 400,  # the deployment clients repeat load-process on 400 (contracts/modzy.md, B.4)
    errors.ModelFailed: 422,
    errors.NotStarted: 503,
    errors.Unavailable: 503,
    errors.TooMuchWaiting: 429,
    errors.ReplicaLost: 503,
    errors.StorageFailed: 503,
}

_UNEXPECTED = "something went wrong in the server; it was written to the server's log"


class Problem(Exception):
    """What only HTTP knows: no such route, a method that a route lacks, a body that comes too slowly."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


class ErrorBody(msgspec.Struct, rename="camel"):
    """The body of every error (contracts/modzy.md, rule 10)."""

    status_code: int
    status: str
    message: str
    report_error_url: str = ""
    technical_information: str | msgspec.UnsetType = msgspec.UNSET


def answer(error: Exception) -> Response:
    match error:
        case Problem():
            return _response(error.status, error.message, headers=error.headers)
        case errors.HeadraceError():
            return _domain(error)
        case ClientDisconnect():
            return Response(status_code=CLOSED_REQUEST)
        case _:
            log.error("unexpected error in a handler", exc_info=error)
            return _response(500, _UNEXPECTED)


def status_of(error: errors.HeadraceError) -> int:
    if isinstance(error, errors.StorageFailed) and is_full(error):
        return 507
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def retry_after(error: errors.HeadraceError) -> int:
    """Whole seconds for Retry-After, at least 1; also for the doors that do not speak HTTP."""
    seconds = error.retry_after if isinstance(error, (errors.Unavailable, errors.NotStarted)) else None
    return RETRY_AFTER if seconds is None else max(1, math.ceil(seconds))


def _domain(error: errors.HeadraceError) -> Response:
    status = status_of(error)
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(retry_after(error))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "ApiKey"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s: %s %s", type(error).__name__, error.message, error.technical)
    return _response(status, error.message, error.technical, headers)


def _response(status: int, message: str, technical: str = "", headers: Mapping[str, str] | None = None) -> Response:
    body = ErrorBody(
        status_code=status,
        status=HTTPStatus(status).name,
        message=message,
        technical_information=technical or msgspec.UNSET,
    )
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")
