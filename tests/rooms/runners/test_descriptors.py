"""The limit of open files is raised as far as it may be, and the operator hears where that is not enough."""

import subprocess
import sys

import pytest

from headrace.runners.descriptors import shortage

TOLD = """
import resource, sys
from headrace.runners.descriptors import allow_many
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
print(allow_many(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize("hard", [256, 4_000])
def test_it_is_raised_as_far_as_it_may_be(hard: int) -> None:
    done = subprocess.run([sys.executable, "-c", TOLD, str(hard)], capture_output=True, text=True, check=True)
    assert f"{hard} {hard} {hard}" == done.stdout.strip()


@pytest.mark.parametrize(
    ("files", "connections", "short"), [(1_024, 1_000, True), (2_500, 1_000, False), (1_024, 250, False)]
)
def test_where_it_is_not_enough_the_operator_hears_it(files: int, connections: int, short: bool) -> None:
    said = shortage(files, connections)
    assert short == bool(said)
    assert not short or ("1024 files" in said and "to 2500" in said)
