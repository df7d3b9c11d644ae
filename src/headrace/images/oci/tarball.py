"""What `docker save`, `podman save` or `skopeo copy` wrote: its files go into a folder under numbers, not their names.

So no name in the archive reaches the file system. Links are followed in our own list of names only: docker-archives
name a layer twice by them.
"""

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from headrace.domain.errors import Invalid, TooLarge
from headrace.images.archive import KINDS, TAKEN, Stop, Stopped, kind_of
from headrace.images.decompress import Forward
from headrace.images.oci import documents, platforms
from headrace.images.oci.blobs import Blobs
from headrace.images.oci.digest import digest_of, hex_of
from headrace.images.oci.documents import Descriptor, Manifest
from headrace.images.oci.layer import packing
from headrace.images.tree import shown
from headrace.settings import ImageSettings

PIECE = 1 << 20
MOST = 10_000  # members: an archive has a handful for each layer
LONGEST = 1_000  # characters of a member's name
LINKS = 8  # that lead to each other
NESTED = 4  # lists of images in each other
LONGEST_NAME = 300  # characters of an image's name
NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
PACKED = {"": "", "gzip": "+gzip", "zstd": "+zstd"}
_NAMED_BY_DIGEST = re.compile(r"(?P<hex>[0-9a-f]{64})(\.json)?")


class _Saved(msgspec.Struct, rename="pascal"):
    """An entry of a docker-archive's manifest.json."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


# learned here: msgspec ends the process when two threads learn a type at once
_LEARNED = msgspec.json.Decoder(list[_Saved])


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """An image whose parts lie in a folder, not yet in the store."""

    digest: str
    manifest: Manifest
    name: str  # "" where the archive does not say it
    document: bytes
    parts: tuple[_Part, ...]

    def move_into(self, blobs: Blobs) -> None:
        """Blocking. Raises StorageFailed."""
        for part in self.parts:
            if not blobs.has(part.digest, part.size):
                blobs.take(part.path, part.digest)
        blobs.write(self.document)


def read(spool: Path, folder: Path, settings: ImageSettings, stop: Stop) -> Found:
    """Blocking. Raises Invalid and its kin, OSError, Stopped."""
    members = _Members(folder, settings, stop)
    members.extract(spool)
    if "index.json" in members and (found := _of_layout(members)) is not None:
        return found
    if "manifest.json" in members:
        return _of_docker(members)
    raise Invalid("this is no container image: neither index.json nor manifest.json is in it")


@dataclass(slots=True)
class _Members:
    folder: Path
    settings: ImageSettings
    stop: Stop
    parts: dict[str, _Part] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def __contains__(self, name: str) -> bool:
        return self._followed(name) in self.parts

    def part(self, name: str) -> _Part:
        """Raises Invalid."""
        found = self.parts.get(self._followed(name))
        if found is None:
            raise Invalid(f"the archive speaks of {shown(name)}, which is not in it")
        return found

    def document(self, name: str) -> bytes:
        part = self.part(name)
        if part.size > documents.LARGEST:
            raise Invalid(f"{shown(name)} is larger than {documents.LARGEST} bytes")
        return part.path.read_bytes()

    def blob(self, one: Descriptor) -> _Part:
        """A part of an OCI layout, with the digest and the size that it should have."""
        part = self.part(f"blobs/sha256/{hex_of(one.digest)}")
        if part.digest != one.digest:
            raise Invalid(f"a part of the image should have the digest {one.digest}, and has {part.digest}")
        if part.size != one.size:
            raise Invalid(f"the part {one.digest} should have {one.size} bytes, and has {part.size}")
        return part

    def extract(self, spool: Path) -> None:
        with spool.open("rb") as file:
            kind = kind_of(file)
            if kind == "zip":
                raise Invalid("a container image in a zip is not taken: send the tar that docker save makes")
            source = Forward(file, kind)
            try:
                with tarfile.open(fileobj=source, mode="r:") as archive:
                    while (member := archive.next()) is not None:
                        archive.members = []  # type: ignore[attr-defined]  # it would keep all that it has seen
                        self._take(archive, member)
            except tarfile.TarError as error:
                if not self.parts and source.tell() <= tarfile.BLOCKSIZE:
                    raise Invalid(f"this is not an archive: {TAKEN}") from None
                raise Invalid(f"the archive is damaged: {error}") from None
            except (ValueError, OverflowError, EOFError, RecursionError) as error:
                raise Invalid(f"the archive is damaged: {error}") from None

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = _name(member.name)
        if member.isdir():
            return
        if name in self.parts or name in self.links:
            raise Invalid(f"{shown(member.name)} is there twice")
        if len(self.parts) + len(self.links) >= MOST:
            raise TooLarge(f"there are more than {MOST} files in the archive of the image")
        if member.issym():
            self.links[name] = _name(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            self.links[name] = _name(member.linkname)
        elif member.isreg() and not member.issparse() and member.size >= 0:
            self.parts[name] = self._kept(archive, member)
        else:
            raise Invalid(f"{shown(member.name)} is {KINDS.get(member.type, 'neither a file nor a folder')}: not taken")

    def _kept(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> _Part:
        path = self.folder / str(len(self.parts))
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            for piece in self._pieces(archive, member):
                size += len(piece)
                digest.update(piece)
                file.write(piece)
        if size != member.size:
            raise Invalid("the archive is damaged: it ends too early")
        return _Part(path, f"sha256:{digest.hexdigest()}", size)

    def _pieces(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
        content = archive.extractfile(member)
        while content is not None and (piece := content.read(PIECE)):
            if self.stop.is_set():
                raise Stopped
            self.size += len(piece)
            if self.size > self.settings.unpacked:
                raise TooLarge(f"unpacked, the archive is larger than {self.settings.unpacked} bytes")
            yield piece

    def _followed(self, name: str) -> str:
        for _ in range(LINKS):
            if name not in self.links:
                return name
            name = self.links[name]
        raise Invalid(f"{shown(name)} is a link in a circle")


def _of_layout(members: _Members) -> Found | None:
    """None for an index without images: older engines put one beside their own manifest.json."""
    entries = {one.digest: one for one in documents.index(members.document("index.json")).manifests}
    if not entries:
        return None
    name = _named(*entries.values())
    for _ in range(NESTED):
        one = _one(list(entries.values()))
        name = name or _named(one)
        document = members.blob(one).path.read_bytes() if one.size <= documents.LARGEST else b""
        found = documents.manifest_or_index(document)
        if isinstance(found, Manifest):
            parts = {part.digest: members.blob(part) for part in (found.config, *found.layers)}
            return Found(one.digest, found, name, document, tuple(parts.values()))
        entries = {entry.digest: entry for entry in found.manifests}
    raise Invalid("the archive has lists of images in lists of images")


def _one(entries: list[Descriptor]) -> Descriptor:
    if len(entries) == 1 and entries[0].platform is None:
        return entries[0]
    if len(entries) > 1 and all(one.platform is None for one in entries):
        raise Invalid(f"there are {len(entries)} images in the archive: save the one that is meant")
    return platforms.choose(documents.Index(entries), platforms.here())


def _of_docker(members: _Members) -> Found:
    """The images of a docker-archive have no manifest of their own: it is written here, of what lies in the archive."""
    try:
        saved = msgspec.json.decode(members.document("manifest.json"), type=list[_Saved])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"manifest.json is not what it should be: {error}") from None
    if len(saved) != 1:
        raise Invalid(f"there are {len(saved)} images in the archive: save the one that is meant")
    [image] = saved
    if len(image.layers) > documents.MOST_LAYERS:
        raise Invalid(f"the image has {len(image.layers)} layers, more than {documents.MOST_LAYERS}")
    config = members.part(image.config)
    stem = _NAMED_BY_DIGEST.fullmatch(posixpath.basename(image.config))
    if stem is not None and config.digest != f"sha256:{stem['hex']}":
        raise Invalid(f"{shown(image.config)} is not what its name says: its digest is {config.digest}")
    layers = [members.part(layer) for layer in image.layers]
    described = [Descriptor(part.digest, part.size, _layer_type(part)) for part in layers]
    manifest = Manifest(Descriptor(config.digest, config.size, documents.OCI_CONFIG), described, documents.OCI_MANIFEST)
    document = msgspec.json.encode(manifest)
    parts = {part.digest: part for part in (config, *layers)}
    tags = image.repo_tags or [""]
    checked = documents.manifest(document)
    return Found(digest_of(document), checked, tags[0][:LONGEST_NAME], document, tuple(parts.values()))


def _layer_type(part: _Part) -> str:
    with part.path.open("rb") as file:
        return documents.OCI_LAYER + PACKED.get(packing(file), "")


def _named(*entries: Descriptor) -> str:
    for one in entries:
        for key in NAMES:
            if name := (one.annotations or {}).get(key):
                return name[:LONGEST_NAME]
    return ""


def _name(said: str) -> str:
    """A member's name in one spelling. Raises Invalid when it leads out of the archive."""
    if len(said) > LONGEST or "\0" in said:
        raise Invalid(f"{shown(said)} is no name of a file")
    if said.startswith("/"):
        raise Invalid(f"{shown(said)} is an absolute path; only paths inside are taken")
    name = posixpath.normpath(said)
    if name == ".." or name.startswith("../"):
        raise Invalid(f"{shown(said)} leads out (..)")
    return name
