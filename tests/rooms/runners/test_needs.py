"""What is installed for a model: what its folder says, what its format needs where the folder is silent."""

import re
from pathlib import Path

import pytest

from headrace.domain.errors import Invalid
from headrace.runners.needs import Besides, Needs, read_needs

BESIDES = Besides(("numpy==2.4.6", "onnxruntime==1.31.1"), ("numpy", "uvloop<0.22"))


def test_a_folder_that_says_nothing_gets_what_is_usual(tmp_path: Path) -> None:
    assert Needs() == read_needs(tmp_path)
    needs = read_needs(tmp_path, BESIDES)
    assert ("", {}, BESIDES.default) == (needs.kind, needs.project, needs.packages)
    assert needs.digest


def test_a_folder_that_says_something_gets_only_what_it_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# mine\nNumPy>=2 # with a comment\n")

    needs = read_needs(tmp_path, BESIDES)

    assert ("requirements.txt", ("NumPy>=2", "uvloop<0.22")) == (needs.kind, needs.packages)
    assert needs.digest != read_needs(tmp_path).digest


def test_an_empty_list_is_silence(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    assert BESIDES.default == read_needs(tmp_path, BESIDES).packages


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("\ufeffsix\r\nnumpy==2.1.0\r\n", ("six", "numpy==2.1.0")),
        ("six\rnumpy", ("six", "numpy")),
        ("six >= 1.0, <2 # why\n  Some.Thing [a, b] (~=1.4)", ("six >= 1.0, <2", "Some.Thing [a, b] (~=1.4)")),
        ("torch==2.0.1+cu118\na!=1.*\nb===x-1\nc==1!2", ("torch==2.0.1+cu118", "a!=1.*", "b===x-1", "c==1!2")),
        ("a ; (python_version<'3.9')", ("a ; (python_version<'3.9')",)),
        ("a;sys_platform not in \"win32 x\" or extra=='b'", ("a;sys_platform not in \"win32 x\" or extra=='b'",)),
        ("a==1 \\\n    --hash=sha256:0aF \\\r\n --hash=md5:b", ("a==1      --hash=sha256:0aF   --hash=md5:b",)),
        ("a \\\n # the end\nb", ("a", "b")),
        ("# a \\\nsix", ("six",)),
        ("six # a \\\nnumpy", ("six", "numpy")),
        ("six \\\n", ("six",)),
        ("\x0csix\x0c\n\u2028numpy", ("six", "numpy")),
        ("# \u2028-r there\nsix", ("six",)),
    ],
)
def test_requirements_are_understood_as_their_writers_mean_them(
    tmp_path: Path, text: str, packages: tuple[str, ...]
) -> None:
    (tmp_path / "requirements.txt").write_bytes(text.encode())
    assert packages == read_needs(tmp_path).packages


EVIL = ("-r /etc/passwd", "-e .", "--index-url https://x/", "file:///etc/passwd", "/etc/passwd", "${UV_DEFAULT_INDEX}")
BETWEEN = (
    *("\n", "\r", "\r\n", "\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0", " ", "\t"),
    *("\\\n", "\\\r\n", "\\\r", "\\", "\n# \\\n", "\n#\\\r\n", " # \\\n", "\n#\r", "\\\n# \\\n", "; x=='#\n"),
    *("==", "==${HOME}", " @ ", "[", "[a\n", "==1\\ \n", " --hash=sha256:0\n", " --hash=sha256:0\\\n", ",", "\n\ufeff"),
)


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_but_packages_comes_through(tmp_path: Path, evil: str) -> None:
    for between in BETWEEN:
        (tmp_path / "requirements.txt").write_bytes(f"six{between}{evil}\nnumpy\n".encode())
        with pytest.raises(Invalid, match=r"requirements\.txt, line \d"):
            read_needs(tmp_path)


@pytest.mark.parametrize(
    "said", ["six==${HOME}", "six;os_name=='$HOME'", "a.whl", "a.tar.gz", "a==1\\", "a;'\\'", "a#b"]
)
def test_a_word_that_uv_might_take_otherwise_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"six\n{said} ; x\n")
    with pytest.raises(Invalid, match=re.escape("requirements.txt, line 2")):
        read_needs(tmp_path)
