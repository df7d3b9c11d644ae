"""What an answer's error is in HTTP, whatever a replica says of it."""

import pytest

from headrace.domain.question import Answer, Fault


def status(said: str | None, fault: Fault = Fault.MODEL) -> int:
    return Answer(1, 2, 0.5, error="no luck", fault=fault, meta={} if said is None else {"status": said}).status


def test_a_model_may_name_the_status_of_its_own_failure():
    assert [500, 422, 503] == [status(None), status("422"), status("503")]


@pytest.mark.parametrize(
    "said", ["", "200", "399", "600", "0422", "42200000", "4.2", "\u0664\u0662\u0662", "9" * 5000, "no"]
)
def test_what_is_no_error_of_http_is_ignored(said):
    assert 500 == status(said)


def test_of_a_wrong_question_no_model_says_the_status():
    assert [400, 501] == [status("503", Fault.REQUEST), status("503", Fault.UNSUPPORTED)]
