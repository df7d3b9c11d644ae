"""index.json of the store: which images are wholly there. Written anew, durably, at every change."""

import os
import threading
import time
from pathlib import Path

import msgspec

from headrace import faults
from headrace.domain.errors import StorageFailed
from headrace.images.oci import documents
from headrace.images.oci.blobs import Blobs, stored, sync
from headrace.images.oci.checked import Image, index_document
from headrace.images.oci.documents import Descriptor

NAME = "org.opencontainers.image.ref.name"
ADDED = "io.headrace.added"  # seconds since 1970
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Catalogue:
    """Blocking; may be used from several threads."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self._root, self._file, self._blobs = root, root / "index.json", blobs
        self._writing = threading.Lock()
        self._images: dict[str, Descriptor] = {}
        if self._file.exists():
            self._read()
        elif not (root / "oci-layout").exists():
            with stored():
                (root / "oci-layout").write_bytes(LAYOUT)

    def __contains__(self, digest: str) -> bool:
        return digest in self._images

    def digests(self) -> dict[str, int]:
        """Each with the time when it was brought in."""
        return {digest: int((one.annotations or {}).get(ADDED, 0)) for digest, one in self._images.items()}

    def add(self, image: Image, name: str) -> None:
        """Raises StorageFailed."""
        size = self._blobs.path(image.digest).stat().st_size
        kind = image.manifest.media_type or documents.OCI_MANIFEST
        notes = {NAME: name, ADDED: str(int(time.time()))}
        with self._writing:
            self._write(self._images | {image.digest: Descriptor(image.digest, size, kind, annotations=notes)})

    def remove(self, digests: set[str]) -> None:
        """Raises StorageFailed."""
        with self._writing:
            self._write({digest: one for digest, one in self._images.items() if digest not in digests})

    def _read(self) -> None:
        with stored("the store of images cannot be read"):
            content = self._file.read_bytes()
        try:
            found = msgspec.json.decode(content, type=documents.Index).manifests
        except msgspec.DecodeError as error:
            raise StorageFailed(f"{self._file} is damaged: restore it from a backup", technical=str(error)) from error
        # a part that was removed from outside makes an image that is not there: it is brought in again
        self._images = {one.digest: one for one in found if self._blobs.has(one.digest, one.size)}

    def _write(self, images: dict[str, Descriptor]) -> None:
        temporary = self._file.with_name(".index.json")
        with stored():
            with temporary.open("wb") as file:
                file.write(index_document(list(images.values())))
                file.flush()
                os.fsync(file.fileno())
            faults.point("oci.catalogue.rename.before")
            temporary.rename(self._file)
            faults.point("oci.catalogue.rename.after")
            sync(self._root)
        self._images = images
