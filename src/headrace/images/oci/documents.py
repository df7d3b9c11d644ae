"""The JSON documents of an image, of Docker's schema 2 and of OCI: index, manifest, configuration; all checked."""

from typing import Any, TypeVar

import msgspec

from headrace.domain.errors import Invalid, Unsupported
from headrace.domain.image import ImageConfig
from headrace.images.oci.digest import hex_of

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_OLD = "application/vnd.docker.distribution.manifest.v1"
ACCEPTED = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

LARGEST = 4 << 20  # bytes of one document; registries take no larger manifest either
MOST_LAYERS = 500
MOST_IN_INDEX = 1_000
LARGEST_BLOB = 1 << 42  # bytes

T = TypeVar("T")


class Platform(msgspec.Struct, omit_defaults=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, rename="camel", omit_defaults=True):
    """Where a part is, and what it must be."""

    digest: str
    size: int
    media_type: str = ""
    platform: Platform | None = None
    annotations: dict[str, str] | None = None
    urls: list[str] | None = None


class Manifest(msgspec.Struct, rename="camel"):
    config: Descriptor
    layers: list[Descriptor]
    media_type: str = ""
    schema_version: int = 2

    @property
    def size(self) -> int:
        """Bytes of all parts, packed as they are."""
        return self.config.size + sum(layer.size for layer in self.layers)


class Index(msgspec.Struct, rename="camel"):
    manifests: list[Descriptor]
    media_type: str = ""
    schema_version: int = 2


class Wishes(msgspec.Struct, rename="pascal"):
    """How the image wants to be started."""

    entrypoint: list[str] | str | None = None
    cmd: list[str] | str | None = None
    env: list[str] | None = None
    user: str | None = None
    working_dir: str | None = None
    exposed_ports: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None


class RootFs(msgspec.Struct):
    diff_ids: list[str]
    type: str = "layers"


class Config(msgspec.Struct):
    architecture: str
    os: str
    rootfs: RootFs
    variant: str = ""
    config: Wishes | None = None


class _Probe(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    manifests: list[Any] | None = None
    layers: list[Any] | None = None


def manifest_or_index(content: bytes) -> Manifest | Index:
    """Told apart by what is in it: a media type may be missing, or lie. Raises Invalid, Unsupported."""
    probe = _decoded(content, _Probe, "the manifest")
    if probe.schema_version == 1 or probe.media_type.startswith(DOCKER_OLD):
        raise Unsupported("the image has a manifest of Docker's schema 1, which nobody makes since 2017: push it again")
    if probe.manifests is not None and probe.layers is not None:
        raise Invalid("the manifest is an image and a list of images at once")
    return index(content) if probe.manifests is not None else manifest(content)


def manifest(content: bytes) -> Manifest:
    """Raises Invalid."""
    found = _decoded(content, Manifest, "the manifest")
    if len(found.layers) > MOST_LAYERS:
        raise Invalid(f"the image has {len(found.layers)} layers, more than {MOST_LAYERS}")
    for one in (found.config, *found.layers):
        check_descriptor(one)
    if found.config.size > LARGEST:
        raise Invalid(f"the image's configuration is larger than {LARGEST} bytes")
    for layer in found.layers:
        _check_layer(layer)
    return found


def index(content: bytes) -> Index:
    """Raises Invalid."""
    found = _decoded(content, Index, "the list of images")
    if len(found.manifests) > MOST_IN_INDEX:
        raise Invalid(f"the list of images has {len(found.manifests)} entries, more than {MOST_IN_INDEX}")
    for one in found.manifests:
        check_descriptor(one)
    return found


def config(content: bytes) -> Config:
    """Raises Invalid."""
    found = _decoded(content, Config, "the image's configuration")
    for diff_id in found.rootfs.diff_ids:
        hex_of(diff_id)
    return found


def check_descriptor(one: Descriptor) -> None:
    """Raises Invalid."""
    hex_of(one.digest)
    if not 0 <= one.size <= LARGEST_BLOB:
        raise Invalid(f"a part of the image has a size that cannot be: {one.size}")


def _check_layer(layer: Descriptor) -> None:
    if "encrypted" in layer.media_type:
        raise Unsupported("a layer of the image is encrypted: such images are not taken")
    if layer.urls or "foreign" in layer.media_type or "nondistributable" in layer.media_type:
        raise Unsupported("a layer of the image lies outside of its registry (a foreign layer): not taken")


def started_by(wishes: Wishes | None) -> ImageConfig:
    """For those who start it. Raises Invalid."""
    said = wishes or Wishes()
    return ImageConfig(
        entrypoint=_command(said.entrypoint),
        command=_command(said.cmd),
        environment=_environment(said.env or []),
        user=said.user or "",
        workdir=said.working_dir or "",
        ports=_ports(said.exposed_ports or {}),
        labels=tuple((said.labels or {}).items()),
        stop_signal=said.stop_signal or "",
    )


def _command(said: list[str] | str | None) -> tuple[str, ...]:
    """A plain text is what a shell would run; old images have that."""
    if isinstance(said, str):
        return ("/bin/sh", "-c", said)
    for word in said or ():
        if "\0" in word:
            raise Invalid("the image's command has a zero byte in it")
    return tuple(said or ())


def _environment(said: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = {}
    for one in said:
        name, _, value = one.partition("=")
        if not name or "\0" in one:
            raise Invalid(f"the image's environment has {one[:80]!r}, which is no name=value")
        pairs[name] = value
    return tuple(pairs.items())


def _ports(said: dict[str, Any]) -> tuple[int, ...]:
    found = set()
    for one in said:
        number, _, protocol = one.partition("/")
        if protocol in ("", "tcp") and number.isascii() and number.isdigit() and 0 < int(number) < 1 << 16:
            found.add(int(number))
    return tuple(sorted(found))


# learned here: msgspec ends the process when two threads learn a type at once
_LEARNED = [msgspec.json.Decoder(kind) for kind in (Descriptor, Manifest, Index, Config, _Probe)]


def _decoded(content: bytes, kind: type[T], what: str) -> T:
    if len(content) > LARGEST:
        raise Invalid(f"{what} is larger than {LARGEST} bytes")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{what} is not what it should be: {error}") from None
