"""Which of an image's variants this machine runs."""

import platform

from headrace.domain.errors import Invalid, Unsupported
from headrace.images.oci.documents import Config, Descriptor, Index, Platform

NAMES = {  # the kernel's name of a machine → architecture and variant as images name them
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
SHOWN = 12  # names in a sentence


def here() -> Platform:
    machine = platform.machine().lower()
    architecture, variant = NAMES.get(machine, (machine, ""))
    return Platform(architecture, "linux", variant)


def choose(index: Index, wanted: Platform) -> Descriptor:
    """The entry for this machine; one that says nothing of its platform is checked when its configuration is there.

    Raises Unsupported.
    """
    fitting = [one for one in index.manifests if one.platform is not None and fits(one.platform, wanted)]
    exact = [one for one in fitting if one.platform is not None and one.platform.variant in ("", wanted.variant)]
    if chosen := [*exact, *fitting]:
        return chosen[0]
    silent = [one for one in index.manifests if one.platform is None or not one.platform.architecture]
    if len(silent) == 1 and len(index.manifests) == 1:
        return silent[0]
    there = [shown(one.platform) for one in index.manifests if one.platform and one.platform.os != "unknown"]
    raise Unsupported(
        f"the image is not there for this machine ({shown(wanted)}), only for {', '.join(there[:SHOWN]) or 'none'}"
    )


def check(config: Config, wanted: Platform) -> None:
    """Raises Unsupported."""
    said = Platform(config.architecture, config.os, config.variant)
    if not said.architecture or not said.os:
        raise Invalid("the image's configuration does not say for which machine it is")
    if not fits(said, wanted):
        raise Unsupported(f"the image is for {shown(said)}, and this machine is {shown(wanted)}: build it for this one")


def fits(said: Platform, wanted: Platform) -> bool:
    if said.os != wanted.os or said.architecture != wanted.architecture:
        return False
    return wanted.architecture != "arm" or not said.variant or said.variant <= wanted.variant


def shown(one: Platform) -> str:
    return "/".join(part[:40] for part in (one.os, one.architecture, one.variant) if part)
