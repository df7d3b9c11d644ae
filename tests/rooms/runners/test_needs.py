"""What is installed for a model: what its folder says, what its format needs where the folder is silent."""

from pathlib import Path

from headrace.runners.needs import Besides, Needs, read_needs

BESIDES = Besides(("numpy==2.4.6", "onnxruntime==1.31.1"), ("numpy", "uvloop<0.22"))


def test_a_folder_that_says_nothing_gets_what_is_usual(tmp_path: Path) -> None:
    assert Needs() == read_needs(tmp_path)
    needs = read_needs(tmp_path, BESIDES)
    assert (None, BESIDES.default) == (needs.file, needs.packages)
    assert needs.digest


def test_a_folder_that_says_something_gets_only_what_it_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# mine\nNumPy>=2 # with a comment\n")

    needs = read_needs(tmp_path, BESIDES)

    assert (tmp_path / "requirements.txt", ("uvloop<0.22",)) == (needs.file, needs.packages)
    assert needs.digest != read_needs(tmp_path).digest


def test_an_empty_list_is_silence(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    assert BESIDES.default == read_needs(tmp_path, BESIDES).packages
