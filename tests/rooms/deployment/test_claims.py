"""What a folder says fills in what nobody said."""

from dataclasses import replace

import pytest

from headrace.catalog.versions import new_version
from headrace.deployment.claims import prefill
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.image import Claims
from headrace.domain.version import InputSpec, Requirement, Timeout

DRAFT = new_version(VersionKey("abc", "1.0.0"), "ann@example.com", 0)


def test_nothing_said_changes_nothing() -> None:
    assert DRAFT == prefill(DRAFT, Claims())


def test_what_was_said_of_the_version_stays() -> None:
    said = replace(
        DRAFT,
        timeout=Timeout(1_000, 60_000),
        inputs=(InputSpec("mine"),),
        long_description="mine",
        requirement=Requirement(identifier=-6),
    )
    claims = Claims(
        description="theirs", inputs=(("theirs", "", 0, ""),), status_timeout=2_000, run_timeout=3_000, memory="3G"
    )
    assert replace(said, timeout=Timeout(1_000, 3_000)) == prefill(said, claims)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("", "512M", ("1000m", "1G")),
        ("500m", "0.5G", ("500m", "0.5G")),
        ("100m", "3G", ("2000m", "4G")),
        ("4", "", ("4000m", "8G")),
        ("64", "1G", ("64", "1G")),
    ],
)
def test_the_smallest_hardware_that_is_large_enough(cpu: str, memory: str, expected: tuple[str, str]) -> None:
    requirement = prefill(DRAFT, Claims(cpu=cpu, memory=memory)).requirement
    assert expected == (requirement.cpu, requirement.memory)


def test_amounts_that_mean_nothing() -> None:
    with pytest.raises(Invalid, match="memoryAmount is 'much'"):
        prefill(DRAFT, Claims(memory="much"))
