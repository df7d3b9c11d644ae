"""One tar for everyone: docker load, podman load and skopeo take it, as a docker-archive and as an OCI archive.

The same image makes the same bytes. Docker before version 23 does not know zstd: such layers are in it unpacked too.
"""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import msgspec

from headrace.images.archive import Stop, Stopped
from headrace.images.oci import documents
from headrace.images.oci.checked import Image, index_document
from headrace.images.oci.digest import hex_of
from headrace.images.oci.documents import Descriptor
from headrace.images.oci.layer import Budget, Unpacking, packing

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
NAME = "org.opencontainers.image.ref.name"
NAME_TOO = "io.containerd.image.name"


class Reads(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


Where = Callable[[str], Path]  # of a digest


def write_tar(image: Image, where: Where, name: str, out: IO[bytes], stop: Stop) -> None:
    """Blocking. `name`: like "headrace/0123:latest", what engines call it once it is loaded."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        manifest = where(image.digest).read_bytes()
        described = Descriptor(
            image.digest,
            len(manifest),
            image.manifest.media_type or documents.OCI_MANIFEST,
            annotations={NAME: name.rpartition(":")[2], NAME_TOO: name},
        )
        small = {
            "oci-layout": LAYOUT,
            "index.json": index_document([described]),
            _path(image.digest): manifest,
            _path(image.manifest.config.digest): where(image.manifest.config.digest).read_bytes(),
        }
        for path, content in small.items():
            _add(archive, path, len(content), io.BytesIO(content))
        parts, seen = [], set(small)
        for layer, diff_id in image.layers:
            path = _add_layer(archive, where(layer.digest), (layer.digest, diff_id), seen, stop)
            parts.append(path)
        listed = [{"Config": _path(image.manifest.config.digest), "RepoTags": [name], "Layers": parts}]
        content = msgspec.json.encode(listed)
        _add(archive, "manifest.json", len(content), io.BytesIO(content))


def _add_layer(archive: tarfile.TarFile, blob: Path, digests: tuple[str, str], seen: set[str], stop: Stop) -> str:
    """Returns what a docker-archive calls it."""
    if stop.is_set():
        raise Stopped
    packed, unpacked = map(_path, digests)
    with blob.open("rb") as file:
        if packed not in seen:
            _add(archive, packed, blob.stat().st_size, file)
            seen.add(packed)
        file.seek(0)
        if packing(file) != "zstd":
            return packed
        if unpacked not in seen:
            _add(archive, unpacked, _size(file, stop), _unpacking(file))
            seen.add(unpacked)
        return unpacked


def _size(file: IO[bytes], stop: Stop) -> int:
    reader = _unpacking(file)
    reader.finish(stop)
    file.seek(0)
    return reader.size


def _unpacking(file: IO[bytes]) -> Unpacking:
    file.seek(0)
    return Unpacking(file, "zstd", Budget(documents.LARGEST_BLOB, 0))


def _add(archive: tarfile.TarFile, path: str, size: int, content: Reads) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)


def _path(digest: str) -> str:
    return f"blobs/sha256/{hex_of(digest)}"
