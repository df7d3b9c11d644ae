"""An archive that somebody sent becomes a folder, or nothing: no member is believed, and no limit is taken from it."""

import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from headrace.domain.errors import Invalid, TooLarge, Unsupported
from headrace.images.decompress import Forward
from headrace.images.tree import Tree, shown
from headrace.settings import ImageSettings

PIECE = 256 * 1024
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
MAGIC[b"\x28\xb5\x2f\xfd"] = "zstd"
OTHERS = {b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
TAKEN = "send a zip, tar, tar.gz, tar.bz2, tar.xz or tar.zst"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # lzma in a zip may ask for any memory
ENCRYPTED = 0x1
DIRECTORY_END = struct.Struct("<4s4H2LH")  # signature, disks and counts, then size and place of the directory
END_WITHIN = 66_000  # bytes: it is followed by a comment of at most 65,535
OF_ENTRY = 1_024  # bytes of a zip's directory for one file, more than it needs
CONTAINER = re.compile(r"^(oci-layout$|blobs/sha256/|[0-9a-f]{64}(/|\.json$|\.tar$))")
KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Stop(Protocol):
    def is_set(self) -> bool: ...


class Stopped(Exception):
    """Nobody waits for the result any more."""


class IsImage(Unsupported):
    """The archive is no model folder but a container image (images/oci/tarball.py takes those)."""


def unpack(spool: Path, target: Path, settings: ImageSettings, stop: Stop) -> Tree:
    """Blocking. `target` does not exist yet. What is left in it after an error is to be removed by the caller.

    Raises Invalid and its kin with a sentence that names the member, IsImage, OSError, Stopped.
    """
    target.mkdir(mode=0o755)
    tree = Tree(target, settings)
    with spool.open("rb") as file:
        match kind_of(file):
            case "zip":
                _unpack_zip(file, tree, settings, stop)
            case kind:
                _unpack_tar(file, kind, tree, stop)
    return tree


def kind_of(file: IO[bytes]) -> str:
    """How it is packed: zip, gzip, bzip2, xz, zstd, or "" for a plain tar. Raises Invalid for what is no archive."""
    begin = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    for magic, kind in MAGIC.items():
        if begin.startswith(magic):
            return kind
    for magic, kind in OTHERS.items():
        if begin.startswith(magic):
            raise Unsupported(f"this is a {kind} archive, which is not taken: {TAKEN}")
    if len(begin) < tarfile.BLOCKSIZE:
        raise Invalid(f"this is not an archive: {TAKEN}")
    return ""


def _unpack_tar(file: IO[bytes], kind: str, tree: Tree, stop: Stop) -> None:
    source = Forward(file, kind)
    try:
        with tarfile.open(fileobj=source, mode="r:") as archive:
            while (member := archive.next()) is not None:
                _take_tar_member(archive, member, tree, stop)
                archive.members = []  # type: ignore[attr-defined]  # it would keep every member that it has seen
    except tarfile.TarError as error:
        if source.tell() <= tarfile.BLOCKSIZE:
            raise Invalid(f"this is not an archive: {TAKEN}") from None
        raise Invalid(f"the archive is damaged: {error}") from None
    except (ValueError, OverflowError, EOFError, RecursionError) as error:
        raise Invalid(f"the archive is damaged: {error}") from None


def _take_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: Tree, stop: Stop) -> None:
    _refuse_container(member.name)
    path = tree.place(member.name)
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise Invalid(f"{shown(member.name)} is {KINDS.get(member.type, 'neither a file nor a folder')}: not taken")
    if member.size < 0:
        raise Invalid(f"the archive is damaged: {shown(member.name)} has a size below zero")
    if path is None:
        return
    if member.isdir():
        tree.folder(path)
        return
    with archive.extractfile(member) or _no_content(member.name) as content:
        tree.file(path, _pieces(content, member.size, stop), executable=bool(member.mode & 0o111))


def _no_content(name: str) -> IO[bytes]:
    raise Invalid(f"{shown(name)} has no content")


def _unpack_zip(file: IO[bytes], tree: Tree, settings: ImageSettings, stop: Stop) -> None:
    _check_directory(file, settings)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                _take_zip_member(archive, member, tree, stop)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError) as error:
        raise Invalid(f"the archive is damaged: {error}") from None


def _take_zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, tree: Tree, stop: Stop) -> None:
    _refuse_container(member.filename, " in a zip, which is not taken: send the tar that docker save makes")
    path = tree.place(member.filename)
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise Invalid(f"{shown(member.filename)} is a symbolic link: not taken")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Invalid(f"{shown(member.filename)} is neither a file nor a folder: not taken")
    if member.flag_bits & ENCRYPTED:
        raise Invalid(f"{shown(member.filename)} is encrypted: send it without a password")
    if member.compress_type not in METHODS:
        raise Unsupported(f"{shown(member.filename)} is packed by a method that is not taken: use deflate")
    if path is None:
        return
    if member.is_dir():
        tree.folder(path)
        return
    with archive.open(member) as content:
        tree.file(path, _pieces(content, None, stop), executable=bool(mode & 0o111))


def _check_directory(file: IO[bytes], settings: ImageSettings) -> None:
    """A zip's directory is read into memory as a whole: not when it is larger than the files allowed here need."""
    whole = file.seek(0, os.SEEK_END)
    file.seek(max(0, whole - END_WITHIN))
    tail = file.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) - position < DIRECTORY_END.size:
        raise Invalid("the archive is damaged: it ends too early")
    size = DIRECTORY_END.unpack_from(tail, position)[-3]
    if min(size, whole) > settings.files * OF_ENTRY:  # a zip64 says 2^32 - 1 here, and the true size elsewhere
        raise TooLarge(f"there are more than {settings.files} files in the archive")
    file.seek(0)


def _pieces(content: IO[bytes], size: int | None, stop: Stop) -> Iterator[bytes]:
    """`size` is what the archive announced, where it is to be held to that."""
    read = 0
    while piece := content.read(PIECE):
        if stop.is_set():
            raise Stopped
        read += len(piece)
        yield piece
    if size is not None and read != size:
        raise Invalid("the archive is damaged: it ends too early")


def _refuse_container(name: str, says: str = "") -> None:
    if CONTAINER.match(name.removeprefix("./")):
        raise IsImage(f"this is a container image{says}")
