"""The table of hardware, and what its amounts mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.catalog import requirements
from headrace.catalog.requirements import TABLE, by_id, inline, parse_cpu, parse_memory
from headrace.domain.errors import Invalid
from headrace.domain.replica import Hardware


def test_the_ids_that_clients_send_are_there():
    assert {1, -6, -99, 2, 3, 4, 5, 6} == {entry.identifier for entry in TABLE}
    assert len(TABLE) == len({entry.identifier for entry in TABLE})
    assert 1 == by_id(-6).gpu_units


def test_the_constructor_of_the_sdk_can_read_every_entry():
    for entry in TABLE:
        assert "m" in entry.cpu
        assert "G" in entry.memory
        assert float(entry.cpu.split("m")[0]) == entry.hardware.cpu_millis
        assert float(entry.memory.split("G")[0]) * 10**9 == entry.hardware.memory_bytes


@pytest.mark.parametrize(
    ("cpu", "memory", "identifier"), [(0.1, 0.1, 2), (1, 1, 1), (1, 2, 3), (4, 8, 4), (3, 8, 4), (8, 1, 5), (16, 64, 6)]
)
def test_the_sdk_never_chooses_a_special_entry_by_size(cpu, memory, identifier):
    """As modzy-sdk 0.11.6 does it: the smallest that is large enough, of equals the first."""
    fits = [
        entry
        for entry in TABLE
        if float(entry.cpu.split("m")[0]) / 1000 >= cpu and float(entry.memory.split("G")[0]) >= memory
    ]
    fits.sort(key=lambda entry: (float(entry.cpu.split("m")[0]), float(entry.memory.split("G")[0])))

    assert identifier == fits[0].identifier


def test_an_unknown_id_names_the_known_ones():
    with pytest.raises(Invalid, match="requirementId 77 does not exist; there are 2, 1, 3"):
        by_id(77)


@pytest.mark.parametrize(
    ("text", "millis"), [("1000m", 1000), ("1", 1000), ("0.5", 500), ("0.001", 1), ("250m", 250), (" 2 ", 2000)]
)
def test_processors(text, millis):
    assert millis == parse_cpu(text)


@pytest.mark.parametrize(
    "text",
    ["", "m", "0", "0m", "-1", "1e3", "nan", "inf", "1,5", "1 m", "1M", "9999", "1.0000", "٣", "0.0001", "1" * 99],
)
def test_no_processors(text):
    with pytest.raises(Invalid, match="cpuAmount is"):
        parse_cpu(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1G", 10**9), ("1Gi", 2**30), ("512M", 512 * 10**6), ("512Mi", 512 * 2**20), ("0.5G", 5 * 10**8),
        ("1.5Gi", 3 * 2**29), ("20000K", 2 * 10**7), ("1T", 10**12), ("1Ti", 2**40), ("1073741824", 2**30),
    ],
)  # fmt: skip
def test_memory(text, size):
    assert size == parse_memory(text)


@pytest.mark.parametrize(
    "text", ["", "G", "0G", "-1G", "1g", "1GB", "1 G", "nan", "1e9", "1K", "65Ti", "٣G", "9" * 40 + "G"]
)
def test_no_memory(text):
    with pytest.raises(Invalid, match="memoryAmount is"):
        parse_memory(text)


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_invalid(text):
    for parse in (parse_cpu, parse_memory):
        try:
            assert parse(text) > 0
        except Invalid as error:
            assert "write it like" in error.message or "must be between" in error.message  # noqa: PT017


def test_amounts_given_in_the_request():
    found = inline("500m", "512Mi", 2)

    assert (requirements.INLINE, "500m", "512Mi", Hardware(500, 2**29, 2)) == (
        found.identifier, found.cpu, found.memory, found.hardware,
    )  # fmt: skip
    for gpus in (-1, 65):
        with pytest.raises(Invalid, match="gpuUnits"):
            inline("1", "1G", gpus)
