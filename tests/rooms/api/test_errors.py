"""Every error has its status and its sentence; what nobody expected has neither traceback nor detail."""

import inspect
import logging

import msgspec
import pytest

from headrace.api import errors as doors
from headrace.domain import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.HeadraceError]


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_of_the_domain_is_a_500(kind):
    assert 500 != doors.status_of(kind("x"))


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (errors.Invalid("x"), 400, "BAD_REQUEST"),
        (errors.TooLarge("x"), 413, "REQUEST_ENTITY_TOO_LARGE"),
        (errors.Unsupported("x"), 400, "BAD_REQUEST"),
        (errors.Unauthenticated("x"), 401, "UNAUTHORIZED"),
        (errors.QuotaExceeded("x"), 403, "FORBIDDEN"),
        (errors.NotFound("x"), 404, "NOT_FOUND"),
        (errors.Conflict("x"), 409, "CONFLICT"),
        (errors.NotReady("x"), 400, "BAD_REQUEST"),
        (errors.LimitReached("x"), 422, "UNPROCESSABLE_ENTITY"),
        (errors.Unavailable("x"), 503, "SERVICE_UNAVAILABLE"),
        (errors.StorageFailed("x"), 503, "SERVICE_UNAVAILABLE"),
        (errors.StorageFailed("x", technical="database or disk is full"), 507, "INSUFFICIENT_STORAGE"),
        (errors.StorageFailed("x: No space left on device"), 507, "INSUFFICIENT_STORAGE"),
        (doors.Problem(408, "x"), 408, "REQUEST_TIMEOUT"),
    ],
)
def test_status_and_shape(error, status, name):
    answer = doors.answer(error)
    body = msgspec.json.decode(answer.body)
    assert (status, status, name) == (answer.status_code, body["statusCode"], body["status"])
    assert body["message"].startswith("x")
    assert "" == body["reportErrorUrl"]


def test_what_helps_the_client_stands_in_headers():
    assert "5" == doors.answer(errors.Unavailable("x")).headers["retry-after"]
    assert "ApiKey" == doors.answer(errors.Unauthenticated("x")).headers["www-authenticate"]


def test_technical_information_only_when_there_is_some():
    assert b"technicalInformation" not in doors.answer(errors.Invalid("x")).body
    assert (
        "log"
        == msgspec.json.decode(doors.answer(errors.ModelFailed("x", technical="log")).body)["technicalInformation"]
    )


def test_the_unexpected_is_logged_and_not_told(caplog):
    with caplog.at_level(logging.ERROR):
        answer = doors.answer(ZeroDivisionError("secret detail"))
    assert 500 == answer.status_code
    assert b"secret" not in answer.body
    assert "secret detail" in caplog.text
