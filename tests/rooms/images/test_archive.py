"""Archives: what is taken, and sixty ways in which one may try to harm us."""

import asyncio
import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from rooms.images.archives import GOOD, files, link_in_zip, special, tar, zip_info, zipped

from headrace.domain.errors import Invalid, StorageFailed, TooLarge, Unsupported
from headrace.images.archive import IsImage
from headrace.images.shelf import Shelf
from headrace.settings import ImageSettings

SETTINGS = ImageSettings(unpacked=1 << 20, files=50)


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def shelf(data) -> Shelf:
    return Shelf(data, SETTINGS)


async def refusal(shelf: Shelf, data: Path, spool: Path) -> Invalid:
    with pytest.raises(Invalid) as refused:
        await shelf.shelve_archive(spool)
    assert [] == list((data / "models").iterdir())
    return refused.value


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz", "m.tar.bz2", "m.tar.xz", "m.tar.zst"])
@pytest.mark.parametrize("top", ["", "./", "folder/", "folder/inner/"])
async def test_every_kind_is_taken_and_is_the_same_model(shelf, data, tmp_path, name: str, top: str) -> None:
    members = [(top + inside, content) for inside, content in GOOD.items()]
    if name.endswith("zip"):
        spool = zipped(tmp_path / name, members)
    elif name.endswith("zst"):
        spool = tmp_path / name
        spool.write_bytes(zstandard.compress(tar(tmp_path / "m.tar", members).read_bytes()))
    else:
        spool = tar(tmp_path / name, members, "w" + (":" + name.rpartition(".")[2] if name.count(".") == 2 else ""))

    folder, size = await shelf.shelve_archive(spool)

    assert GOOD == files(data / folder)
    assert sum(map(len, GOOD.values())) == size
    assert (folder, size) == await shelf.shelve_archive(zipped(tmp_path / "again.zip", list(GOOD.items())))
    assert 1 == len(list((data / "models").iterdir()))


async def test_files_cannot_be_written_and_keep_their_x(shelf, data, tmp_path) -> None:
    run, plain = tarfile.TarInfo("run.sh"), tarfile.TarInfo("model.py")
    run.mode, plain.mode = 0o4777, 0o666

    folder, _ = await shelf.shelve_archive(tar(tmp_path / "m.tar", [(run, b"#!"), (plain, b"x")]))

    modes = [stat.S_IMODE((data / folder / name).stat().st_mode) for name in ("run.sh", "model.py")]
    assert [0o555, 0o444] == [mode | 0o111 if mode & 0o111 else mode for mode in modes]
    assert not any(mode & 0o7222 for mode in modes)


async def test_left_overs_of_other_systems_are_left_out(shelf, data, tmp_path) -> None:
    members = [*GOOD.items(), ("__MACOSX/._model.py", b"x"), ("weights/.DS_Store", b"x"), ("__pycache__/m.pyc", b"x")]

    folder, _ = await shelf.shelve_archive(zipped(tmp_path / "m.zip", members))

    assert GOOD == files(data / folder)


NAMES = [
    ("/etc/passwd", "is an absolute path"),
    ("//etc/passwd", "is an absolute path"),
    ("../outside", "leads out"),
    ("a/../../outside", "leads out"),
    ("a/..", "leads out"),
    ("..", "leads out"),
    ("C:\\windows\\x", "is an absolute path"),
    ("C:/windows/x", "is an absolute path"),
    ("a\\..\\..\\b", "has a character"),
    ("\\\\server\\share", "is an absolute path"),
    ("a\nb", "has a character"),
    ("a\x1b[2Jb", "has a character"),
    ("a\x7fb", "has a character"),
    ("x" * 256, "longer than 255 bytes"),
    ("ä" * 128, "longer than 255 bytes"),
    ("/".join("x" * 70), "in more than 64 folders"),
]


@pytest.mark.parametrize(("name", "says"), NAMES)
@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_names_that_lead_elsewhere(shelf, data, tmp_path, kind: str, name: str, says: str) -> None:
    members = [("model.py", b"x"), (name, b"evil")]
    spool = tar(tmp_path / "m.tar", members) if kind == "tar" else zipped(tmp_path / "m.zip", members)

    refused = await refusal(shelf, data, spool)

    assert says in refused.message
    assert not {"\n", "\x1b"} & set(refused.message)


async def test_a_name_that_is_no_text(shelf, data, tmp_path) -> None:
    spool = tmp_path / "m.tar"
    info = tarfile.TarInfo("xxxxxx")
    info.size = 1
    spool.write_bytes(info.tobuf(tarfile.USTAR_FORMAT).replace(b"xxxxxx", b"\xff\xfe\xfd\xfc\xfb\xfa"))
    header = bytearray(spool.read_bytes())
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 32 * 8 + sum(header[156:512]))
    spool.write_bytes(bytes(header) + b"x" + bytes(511 + 1024))

    assert "not UTF-8" in (await refusal(shelf, data, spool)).message


MEMBERS = [
    (special("link", tarfile.SYMTYPE, "/etc/passwd"), "'link' is a symbolic link"),
    (special("link", tarfile.SYMTYPE, "model.py"), "'link' is a symbolic link"),
    (special("link", tarfile.LNKTYPE, "/etc/passwd"), "'link' is a hard link"),
    (special("disk", tarfile.BLKTYPE), "'disk' is a device"),
    (special("null", tarfile.CHRTYPE), "'null' is a device"),
    (special("pipe", tarfile.FIFOTYPE), "'pipe' is a pipe"),
    (special("odd", b"Z"), "neither a file nor a folder"),
]


@pytest.mark.parametrize(
    ("member", "says"), MEMBERS, ids=[member.name + str(index) for index, (member, _) in enumerate(MEMBERS)]
)
async def test_members_that_are_not_files(shelf, data, tmp_path, member: tarfile.TarInfo, says: str) -> None:
    spool = tar(tmp_path / "m.tar", [("model.py", b"x"), (member, b"")])

    assert says in (await refusal(shelf, data, spool)).message


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (link_in_zip("link"), "'link' is a symbolic link"),
        (zip_info("disk", stat.S_IFBLK | 0o600), "neither a file nor a folder"),
        (zip_info("pipe", stat.S_IFIFO | 0o600), "neither a file nor a folder"),
    ],
)
async def test_members_of_a_zip_that_are_not_files(shelf, data, tmp_path, member, says: str) -> None:
    spool = zipped(tmp_path / "m.zip", [("model.py", b"x"), (member, b"/etc/passwd")])

    assert says in (await refusal(shelf, data, spool)).message


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("a/", "a"), ("a", "a/"), ("a/b/c", "a/b")]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_one_name_for_two_things(shelf, data, tmp_path, kind: str, names: tuple[str, str]) -> None:
    if kind == "tar":
        members = [(special(name, tarfile.DIRTYPE) if name.endswith("/") else name, b"x") for name in names]
        spool = tar(tmp_path / "m.tar", members)
    else:
        spool = zipped(tmp_path / "m.zip", [(name, b"" if name.endswith("/") else b"x") for name in names])

    assert "'a" in (await refusal(shelf, data, spool)).message


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
async def test_a_bomb_is_stopped_while_it_unpacks(shelf, data, tmp_path, pack) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 8 << 20
        archive.addfile(info, io.BytesIO(bytes(8 << 20)))
    spool = tmp_path / "m"
    spool.write_bytes(pack(raw.getvalue()))

    refused = await refusal(shelf, data, spool)

    assert isinstance(refused, TooLarge)
    assert "unpacked, it is larger than 1048576 bytes (at 'zeros')" == refused.message


async def test_a_bomb_in_a_zip(shelf, data, tmp_path) -> None:
    spool = zipped(tmp_path / "m.zip", [(f"zeros{number}", bytes(300_000)) for number in range(4)])

    assert isinstance(await refusal(shelf, data, spool), TooLarge)


async def test_a_bomb_of_overlapping_members(shelf, data, tmp_path) -> None:
    """Many entries of the directory that point to the same packed bytes."""
    one = zipped(tmp_path / "one.zip", [("a", bytes(200_000))]).read_bytes()
    (start,) = struct.unpack_from("<I", one, len(one) - 6)
    entry = one[start : len(one) - 22]
    entries = b"".join(entry.replace(b"a", bytes([97 + number]), 1) for number in range(20))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 20, 20, len(entries), start, 0)
    spool = tmp_path / "m.zip"
    spool.write_bytes(one[:start] + entries + end)

    await refusal(shelf, data, spool)


@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_too_many_files(shelf, data, tmp_path, kind: str) -> None:
    members = [(f"{number}", b"") for number in range(60)]
    spool = tar(tmp_path / "m.tar", members) if kind == "tar" else zipped(tmp_path / "m.zip", members)

    refused = await refusal(shelf, data, spool)

    assert isinstance(refused, TooLarge)
    assert "more than 50 files" in refused.message


async def test_a_directory_of_a_zip_that_is_too_large_to_be_read(shelf, data, tmp_path) -> None:
    members = [(f"{number:0200}", b"") for number in range(400)]

    assert "more than 50 files" in (await refusal(shelf, data, zipped(tmp_path / "m.zip", members))).message


@pytest.mark.parametrize("top", ["", "add/"])
async def test_the_version_of_a_model_of_triton_stays_a_folder(shelf, data, tmp_path, top: str) -> None:
    program = b"class TritonPythonModel:\n    pass\n"

    folder, _ = await shelf.shelve_archive(tar(tmp_path / "m.tar", [(f"{top}1/model.py", program)]))
    plain, _ = await shelf.shelve_archive(tar(tmp_path / "n.tar", [(f"{top}1/model.py", b"class Model: 1\n")]))

    assert ["1/model.py"] == list(files(data / folder))
    assert ["model.py"] == list(files(data / plain))


async def test_too_many_folders(shelf, data, tmp_path) -> None:
    spool = tar(tmp_path / "m.tar", [(special(f"{number}", tarfile.DIRTYPE), b"") for number in range(60)])

    assert isinstance(await refusal(shelf, data, spool), TooLarge)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
async def test_a_header_that_wants_memory(shelf, data, tmp_path, kind: bytes) -> None:
    info = special("././@LongLink", kind)
    info.size = 4 << 30
    spool = tmp_path / "m.tar.gz"
    with gzip.open(spool, "wb", compresslevel=1) as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(8 << 20))

    assert "one of its headers is much too large" in (await refusal(shelf, data, spool)).message


async def test_headers_that_nest(shelf, data, tmp_path) -> None:
    spool = tmp_path / "m.tar"
    header = special("x", tarfile.XHDTYPE)
    spool.write_bytes(header.tobuf(tarfile.GNU_FORMAT) * 5_000)

    assert "damaged" in (await refusal(shelf, data, spool)).message


async def test_a_sparse_file(shelf, data, tmp_path) -> None:
    info = special("holes", tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:398] = header[398:410] = b"00000000000\0"
    header[483:495] = b"77777777777\0"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 32 * 8 + sum(header[156:512]))
    spool = tmp_path / "m.tar"
    spool.write_bytes(bytes(header) + bytes(1024))

    assert "sparse file" in (await refusal(shelf, data, spool)).message


async def test_a_password(shelf, data, tmp_path) -> None:
    spool = zipped(tmp_path / "m.zip", [("model.py", b"x")])
    content = bytearray(spool.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    spool.write_bytes(content)

    assert "'model.py' is encrypted" in (await refusal(shelf, data, spool)).message


async def test_a_method_that_may_take_any_memory(shelf, data, tmp_path) -> None:
    refused = await refusal(shelf, data, zipped(tmp_path / "m.zip", [("model.py", b"x")], zipfile.ZIP_LZMA))

    assert isinstance(refused, Unsupported)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
async def test_an_archive_that_ends_too_early(shelf, data, tmp_path, kind: str, share: float) -> None:
    members = [(f"{number}", os.urandom(5_000)) for number in range(40)]
    mode = "w:" + kind.partition(".")[2]
    whole = zipped(tmp_path / "m", members) if kind == "zip" else tar(tmp_path / "m", members, mode)
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])

    assert "archive is damaged" in (await refusal(shelf, data, whole)).message


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "zip"])
async def test_an_archive_with_a_wrong_byte(shelf, data, tmp_path, kind: str) -> None:
    members = [(f"{number}", os.urandom(5_000)) for number in range(10)]
    mode = "w:" + kind.partition(".")[2]
    whole = zipped(tmp_path / "m", members) if kind == "zip" else tar(tmp_path / "m", members, mode)
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 0xFF
    whole.write_bytes(content)

    await refusal(shelf, data, whole)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "this is not an archive"),
        (b"hello", "this is not an archive"),
        (b"<html>" * 1_000, "this is not an archive"),
        (bytes(10_240), "it is empty"),
        (b"PK\x05\x06" + bytes(18), "it is empty"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"\x1f\x8b" + bytes(1_000), "damaged"),
        (b"BZh9" + bytes(1_000), "damaged"),
        (b"\xfd7zXZ\x00" + bytes(1_000), "damaged"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(1_000), "this is a 7z archive"),
        (b"Rar!" + bytes(1_000), "this is a rar archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(1_000), "not an archive"),
        (gzip.compress(b"no tar inside" * 100, mtime=0), "not an archive"),
    ],
)
async def test_what_is_no_archive(shelf, data, tmp_path, content: bytes, says: str) -> None:
    spool = tmp_path / "m"
    spool.write_bytes(content)

    assert says in (await refusal(shelf, data, spool)).message


@pytest.mark.parametrize(
    "names",
    [
        ("oci-layout", "index.json"),
        ("blobs/sha256/abc", "manifest.json"),
        (f"{'a' * 64}/layer.tar", "manifest.json"),
        (f"{'0' * 64}.json", "repositories"),
        (f"./{'0' * 64}.json", "repositories"),
    ],
)
async def test_a_container_image_is_known_and_refused(shelf, data, tmp_path, names: tuple[str, ...]) -> None:
    refused = await refusal(shelf, data, tar(tmp_path / "image.tar", [(name, b"{}") for name in names]))

    assert isinstance(refused, Unsupported)
    assert isinstance(refused, IsImage)


async def test_streams_that_follow_each_other_are_one_archive(shelf, data, tmp_path) -> None:
    raw = tar(tmp_path / "m.tar", list(GOOD.items())).read_bytes()
    spool = tmp_path / "m.tar.gz"
    spool.write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]) + bytes(64))

    folder, _ = await shelf.shelve_archive(spool)

    assert GOOD == files(data / folder)


async def test_who_stops_waiting_leaves_nothing(shelf, data, tmp_path) -> None:
    spool = tar(tmp_path / "m.tar.xz", [("noise", os.urandom(1 << 19))], "w:xz")
    task = asyncio.create_task(shelf.shelve_archive(spool))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not [path for path in (data / "models").iterdir() if path.name.startswith(".")]


async def test_what_an_earlier_start_left_is_removed(data) -> None:
    (data / "models" / ".half").mkdir(parents=True)
    Shelf(data, SETTINGS)

    assert [] == list((data / "models").iterdir())


async def test_a_full_disk_is_told(shelf, data, tmp_path) -> None:
    spool = tar(tmp_path / "m.tar", list(GOOD.items()))
    (data / "models").rmdir()

    with pytest.raises(StorageFailed, match="the model could not be stored"):
        await shelf.shelve_archive(spool)


async def test_what_nobody_uses_is_removed(shelf, data, tmp_path) -> None:
    one, _ = await shelf.shelve_archive(tar(tmp_path / "1.tar", [("model.py", b"1")]))
    two, _ = await shelf.shelve_archive(tar(tmp_path / "2.tar", [("model.py", b"2")]))

    await shelf.remove_unused([two])

    assert [False, True] == [(data / one).exists(), (data / two).exists()]
