"""What a model's user reads of an exception."""

from headrace.runners.harness.failures import sentence


def test_a_package_that_is_missing_is_to_be_named() -> None:
    failure = ModuleNotFoundError("No module named 'PIL'")
    assert (
        "ModuleNotFoundError: No module named 'PIL': name the package that brings it in requirements.txt"
        == sentence(failure)
    )
