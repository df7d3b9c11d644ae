"""One form out, every form in."""

import pytest

from headrace.api.modzy.shapes import times
from headrace.domain.errors import Invalid

AT = 1_664_722_423_070


def test_one_form():
    assert "2022-10-02T14:53:43.070+00:00" == times.text(AT)
    assert "1970-01-01T00:00:00.000+00:00" == times.text(0)
    assert times.text_or_none(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "2022-10-02T14:53:43.070",
        "2022-10-02T14:53:43.070Z",
        "2022-10-02T14:53:43.070+00:00",
        "2022-10-02T14:53:43.070+0000",
        "2022-10-02T14:53:43.070 0000",
        "2022-10-02T16:53:43.070 02:00",
        "2022-10-02 14:53:43.070",
        " 2022-10-02T12:53:43.070-02:00 ",
    ],
)
def test_every_form_that_clients_send(text):
    assert AT == times.parse(text, "startDate")


def test_a_date_alone_is_its_first_moment():
    assert "2022-10-02T00:00:00.000+00:00" == times.text(times.parse("2022-10-02", "startDate"))


@pytest.mark.parametrize("text", ["yesterday", "2022-13-01", "", "12:00", "1664722423070", "2022-10-02T14:53:43 00000"])
def test_what_is_no_time(text):
    with pytest.raises(Invalid, match="`startDate` should be a time like"):
        times.parse(text, "startDate")
