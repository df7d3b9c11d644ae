"""Whether an image is what it says: its platform, its layers' digests, and what they unpack to."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from headrace.domain.errors import Invalid
from headrace.images.archive import Stop
from headrace.images.oci import documents, platforms
from headrace.images.oci.blobs import Blobs
from headrace.images.oci.documents import Config, Descriptor, Manifest
from headrace.images.oci.layer import Budget, opened
from headrace.settings import ImageSettings


@dataclass(frozen=True, slots=True)
class Image:
    """One that is wholly in the store's folder of parts."""

    digest: str
    manifest: Manifest
    config: Config

    @property
    def layers(self) -> list[tuple[Descriptor, str]]:
        """Each with its digest unpacked."""
        return list(zip(self.manifest.layers, self.config.rootfs.diff_ids, strict=True))


def read_image(blobs: Blobs, digest: str) -> Image:
    """Raises Invalid, StorageFailed. The layers themselves are not looked at."""
    manifest = documents.manifest(blobs.read(digest, documents.LARGEST))
    config = documents.config(blobs.read(manifest.config.digest, documents.LARGEST))
    if len(config.rootfs.diff_ids) != len(manifest.layers):
        raise Invalid(
            f"the image has {len(manifest.layers)} layers, its configuration speaks of {len(config.rootfs.diff_ids)}"
        )
    return Image(digest, manifest, config)


def check(blobs: Blobs, image: Image, settings: ImageSettings, stop: Stop, report: Callable[[int], None]) -> None:
    """Blocking. `report` is told how many bytes of the packed layers have been looked at.

    Raises Invalid and its kin, OSError, Stopped.
    """
    platforms.check(image.config, platforms.here())
    documents.started_by(image.config.config)
    budget = Budget(settings.unpacked, settings.entries)
    seen = 0
    for layer, diff_id in image.layers:
        _check_layer(blobs, layer, diff_id, budget, stop)
        seen += layer.size
        report(seen)


def labels(image: Image) -> dict[str, str]:
    return dict(documents.started_by(image.config.config).labels)


def _check_layer(blobs: Blobs, layer: Descriptor, diff_id: str, budget: Budget, stop: Stop) -> None:
    with opened(blobs.path(layer.digest), budget, stop) as reader:
        for entry in reader.entries():
            del entry  # that it could be read is what counts
        if reader.diff_id() != diff_id:
            raise Invalid(
                f"the layer {layer.digest} is not what the image's configuration says: its content is another"
            )


def index_document(images: list[Descriptor]) -> bytes:
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": documents.OCI_INDEX,
            "manifests": [msgspec.to_builtins(one) for one in images],
        }
    )
