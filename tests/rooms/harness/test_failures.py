"""What a model's user reads of an exception."""

import pytest

from headrace.runners.harness.failures import sentence


def test_a_package_that_is_missing_is_to_be_named() -> None:
    failure = ModuleNotFoundError("No module named 'PIL'")
    assert (
        "ModuleNotFoundError: No module named 'PIL': name the package that brings it in requirements.txt"
        == sentence(failure)
    )


def test_where_a_program_is_not_python_is_said():
    with pytest.raises(SyntaxError) as caught:
        compile("class Model:\n    def predict(self, inputs:\n", "/models/wine/model.py", "exec")

    assert "SyntaxError: '(' was never closed (model.py, line 2)" == sentence(caught.value)


def test_other_errors_are_said_in_one_line():
    assert "ValueError: too cold" == sentence(ValueError("too cold"))
