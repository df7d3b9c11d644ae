"""A test that skips says what to install; where everything is to be there (HEADRACE_TEST_ALL=1, as in CI) it fails."""

import os

import pytest
from databases import debian, postgresql, scratch, storage_url

__all__ = ["debian", "postgresql", "scratch", "storage_url"]  # fixtures for all tests

LONGEST = ("test_torture.py", "test_formats.py", "test_oip_clients.py", "test_oip_streams.py", "test_openapi.py")
ALL = os.environ.get("HEADRACE_TEST_ALL") == "1"


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="tests that are repeated: as often as a release is proven")


def pytest_collection_modifyitems(config, items):
    """What needs gigabytes (PyTorch with its CUDA libraries) is run by hand: HEADRACE_TEST_LARGE=1 make test.

    What takes longest begins first, so that no process is left with it when the others have nothing to do.
    """
    if os.environ.get("HEADRACE_TEST_LARGE") != "1":
        large = [item for item in items if item.get_closest_marker("large")]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001 - the names that pytest asks for
    report = yield
    return report if hasattr(report, "wasxfail") else refused(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):  # noqa: ARG001
    """A module that skips itself as a whole is a skip too."""
    return refused((yield))


def refused(report):
    if ALL and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"HEADRACE_TEST_ALL=1: nothing may be skipped, but: {reason}"
    return report
