"""Secrets of other people: readable with the installation's key and in their place only."""

import pytest

from headrace.domain.errors import StorageFailed
from headrace.storage.sealing import Seal

KEY = b"k" * 32


def test_what_is_sealed_is_opened_again():
    seal = Seal(KEY)
    sealed = seal.seal("open sesame", "here")
    assert "sesame" not in sealed
    assert sealed != seal.seal("open sesame", "here")
    assert "open sesame" == Seal(KEY).open(sealed, "here")


@pytest.mark.parametrize(
    ("key", "about", "change"),
    [
        (b"x" * 32, "here", str),
        (KEY, "there", str),
        (KEY, "here", lambda sealed: sealed[:-8] + "AAAAAAA="),
        (KEY, "here", lambda sealed: sealed[:10]),
        (KEY, "here", lambda _: "1:no base 64"),
        (KEY, "here", lambda _: ""),
    ],
)
def test_what_cannot_be_opened(key, about, change):
    sealed = change(Seal(KEY).seal("open sesame", "here"))
    with pytest.raises(StorageFailed, match="cannot be opened") as refused:
        Seal(key).open(sealed, about)
    assert "sesame" not in str(refused.value)
