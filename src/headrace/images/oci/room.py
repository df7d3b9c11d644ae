"""Room in the store: what nobody names goes, and then what can be made again."""

import logging
import time

from headrace.domain.errors import HeadraceError
from headrace.images.oci.blobs import Blobs
from headrace.images.oci.catalogue import Catalogue
from headrace.images.oci.checked import read_image
from headrace.images.oci.digest import hex_of
from headrace.images.oci.ready import Ready

FRESH = 600.0  # seconds for which what was asked for is left alone: somebody may be about to open it
ABANDONED = 24 * 3600.0  # seconds after which the part of a download that nobody goes on with is removed

logger = logging.getLogger(__name__)


class Room:
    def __init__(self, blobs: Blobs, catalogue: Catalogue, archives: Ready, roots: Ready) -> None:
        self._blobs, self._catalogue, self._archives, self._roots = blobs, catalogue, archives, roots

    def make(self, named: set[str], live: set[str], held: set[str], budget: int) -> int:
        """Blocking. Images in `named` stay, and what was made of those in `live`; returns how much lies here then.

        Nobody brings in a part meanwhile that is not in `held`. Raises StorageFailed.
        """
        self._forget_images(set(self._catalogue.digests()) - named - held)
        self._forget_parts(held)
        for ready in (self._archives, self._roots):
            for made in list(ready.all()):
                needed = made.whole and f"sha256:{made.name.partition('.')[0]}" in live
                if not needed and made.age > FRESH:
                    ready.forget(made)
        for made in sorted(self._archives.all(), key=lambda one: one.used):
            if self._size() <= budget:
                break
            if made.age > FRESH:
                self._archives.forget(made)
        return self._size()

    def _forget_images(self, digests: set[str]) -> None:
        if not digests:
            return
        self._catalogue.remove(digests)
        names = {hex_of(digest) for digest in digests}
        for ready in (self._archives, self._roots):
            for made in list(ready.all()):
                if made.name.partition(".")[0] in names:
                    ready.forget(made)

    def _forget_parts(self, held: set[str]) -> None:
        """Of images that are not in the index, and are not on their way into it."""
        wanted = {hex_of(digest) for digest in held}
        for digest in self._catalogue.digests():
            wanted.add(hex_of(digest))
            try:
                image = read_image(self._blobs, digest)
            except HeadraceError as error:
                logger.warning("nothing is removed from the store of images: %s", error)
                return
            parts = (image.manifest.config, *image.manifest.layers)
            wanted |= {hex_of(part.digest) for part in parts}
        for path in self._blobs.all():
            if path.name not in wanted:
                path.unlink(missing_ok=True)
        for path in self._blobs.partials():
            if path.name.removesuffix(".part") not in wanted and path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink(missing_ok=True)

    def _size(self) -> int:
        parts = sum(path.stat().st_size for path in self._blobs.all())
        return parts + sum(made.size for ready in (self._archives, self._roots) for made in ready.all())
