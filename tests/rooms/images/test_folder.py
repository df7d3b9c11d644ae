"""Folders of this server: only those that the operator allowed, and nothing that leads out of them."""

import os
from pathlib import Path

import pytest
from rooms.images.archives import GOOD, files

from headrace.domain.errors import Forbidden, HeadraceError, Invalid, NotFound, TooLarge
from headrace.images.shelf import Shelf
from headrace.settings import ImageSettings


@pytest.fixture
def allowed(tmp_path) -> Path:
    folder = tmp_path / "allowed"
    (folder / "digits" / "weights").mkdir(parents=True)
    for name, content in GOOD.items():
        (folder / "digits" / name).write_bytes(content)
    return folder


@pytest.fixture
def shelf(tmp_path, allowed) -> Shelf:
    return Shelf(tmp_path / "data", ImageSettings(folders=(str(allowed),), unpacked=1 << 20, files=20))


async def test_a_folder_is_copied_once(shelf, allowed, tmp_path) -> None:
    folder, size = await shelf.shelve_folder(str(allowed / "digits"))
    (allowed / "digits" / ".git").mkdir()
    (allowed / "digits" / ".git" / "config").write_text("x")

    assert (folder, size) == await shelf.shelve_folder(str(allowed / "digits"))
    assert GOOD == files(tmp_path / "data" / folder)


async def test_the_copy_does_not_follow_later_changes(shelf, allowed, tmp_path) -> None:
    folder, _ = await shelf.shelve_folder(str(allowed / "digits"))
    (allowed / "digits" / "model.py").write_text("changed")

    assert GOOD == files(tmp_path / "data" / folder)


async def refusal(shelf: Shelf, path: Path | str, tmp_path: Path) -> HeadraceError:
    with pytest.raises(HeadraceError) as refused:
        await shelf.shelve_folder(str(path))
    assert [] == list((tmp_path / "data" / "models").iterdir())
    return refused.value


async def test_other_folders_are_forbidden(shelf, allowed, tmp_path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "allowed-not").mkdir()
    (allowed / "way-out").symlink_to(tmp_path / "secret")

    for path in ("/etc", tmp_path / "secret", f"{allowed}/../secret", allowed / "way-out", tmp_path / "allowed-not"):
        assert isinstance(await refusal(shelf, path, tmp_path), Forbidden)


async def test_what_is_not_a_folder(shelf, allowed, tmp_path) -> None:
    assert isinstance(await refusal(shelf, allowed / "nothing", tmp_path), NotFound)
    assert isinstance(await refusal(shelf, allowed / "digits" / "model.py", tmp_path), NotFound)
    assert isinstance(await refusal(shelf, "digits", tmp_path), Invalid)
    assert isinstance(await refusal(shelf, f"{allowed}/digits\0/x", tmp_path), Invalid)


async def test_nothing_is_allowed_by_default(allowed, tmp_path) -> None:
    refused = await refusal(Shelf(tmp_path / "data", ImageSettings()), allowed / "digits", tmp_path)

    assert isinstance(refused, Forbidden)
    assert "images.folders" in refused.message


@pytest.mark.parametrize("target", ["/etc/passwd", "model.py", "weights", "nothing"])
async def test_links_are_refused(shelf, allowed, tmp_path, target: str) -> None:
    (allowed / "digits" / "weights" / "link").symlink_to(target)

    assert (
        "'weights/link' is a symbolic link: not taken" == (await refusal(shelf, allowed / "digits", tmp_path)).message
    )


async def test_pipes_are_refused_and_not_opened(shelf, allowed, tmp_path) -> None:
    os.mkfifo(allowed / "digits" / "pipe")

    assert "neither a file nor a folder" in (await refusal(shelf, allowed / "digits", tmp_path)).message


async def test_the_limits_are_those_of_archives(shelf, allowed, tmp_path) -> None:
    (allowed / "digits" / "large").write_bytes(bytes(2 << 20))
    assert isinstance(await refusal(shelf, allowed / "digits", tmp_path), TooLarge)

    (allowed / "digits" / "large").unlink()
    for number in range(30):
        (allowed / "digits" / str(number)).touch()
    assert isinstance(await refusal(shelf, allowed / "digits", tmp_path), TooLarge)
