"""What people call an image, in the three forms that the contract knows, read into its parts.

repository/name:tag                              of Docker's own registry, or host[:port]/repository/name:tag
https://host/v2/repository/name/manifests/tag    as older clients write it
host/repository/name@sha256:…                    pinned; a tag before the @ is for people only
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx2

from headrace.domain.errors import Invalid
from headrace.images.oci.digest import hex_of

DOCKER = "registry-1.docker.io"
DOCKER_NAMES = frozenset({"docker.io", "index.docker.io", "registry.hub.docker.com", "hub.docker.com", DOCKER, ""})
LONGEST = 1_000  # characters
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MANIFEST_URL = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<which>[^/]+)/?")


@dataclass(frozen=True, slots=True)
class Reference:
    host: str  # of the registry, with its port where one was given
    repository: str
    tag: str = ""
    digest: str = ""  # "" unless it is pinned

    @property
    def which(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    @property
    def namespace(self) -> str:
        return self.repository.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    def __str__(self) -> str:
        host = "docker.io" if self.host == DOCKER else self.host
        tag = f":{self.tag}" if self.tag else ""
        return f"{host}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Raises Invalid with what would be right."""
    said = text.strip()
    if not said or len(said) > LONGEST:
        raise _invalid(text, "it is empty" if not said else "it is too long")
    if said.lower().startswith(("http://", "https://")):
        return _of_url(said)
    said = said.removeprefix("docker://")
    first, slash, rest = said.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first or first.startswith("[")):
        return _checked(text, first, *_split(rest))
    return _checked(text, "", *_split(said))


def _of_url(said: str) -> Reference:
    try:
        parts = urlsplit(said)
    except ValueError:
        raise _invalid(said, "it is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise Invalid("a registry's URL may not hold a username or a password: send them as `username` and `password`")
    if not parts.netloc:
        raise _invalid(said, "it names no registry")
    path = unquote(parts.path)
    if match := _MANIFEST_URL.fullmatch(path):
        which = match["which"]
        tag, digest = ("", which) if ":" in which else (which, "")
        return _checked(said, parts.netloc, match["repository"], tag, digest)
    return _checked(said, parts.netloc, *_split(path.removeprefix("/").removeprefix("v2/")))


def _split(path: str) -> tuple[str, str, str]:
    """Repository, tag, digest."""
    named, _, digest = path.partition("@")
    before, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{before}{slash}{name}", tag, digest


def _checked(text: str, host: str, repository: str, tag: str, digest: str) -> Reference:
    host = host.lower()
    if host in DOCKER_NAMES or host.removesuffix(":443") in DOCKER_NAMES:
        host = DOCKER
        repository = repository if "/" in repository else f"library/{repository}"
    if not _HOST.fullmatch(host) or not _can_be_asked(host):
        raise _invalid(text, f"{host[:80]!r} is no name of a registry")
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(text, f"{repository[:80]!r} is no name of a repository (lower case letters, digits, . _ - /)")
    if tag and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag[:80]!r} is no tag")
    if digest:
        hex_of(digest)
    return Reference(host, repository, tag or ("" if digest else "latest"), digest)


def _can_be_asked(host: str) -> bool:
    try:
        url = httpx2.URL(f"https://{host}")
        return bool(url.host) and (url.port or 1) < 1 << 16
    except httpx2.InvalidURL:
        return False


def _invalid(text: str, why: str) -> Invalid:
    return Invalid(
        f"{text[:200]!r} does not name an image: {why}. Write it like registry.example:5000/team/model:1.0, "
        "team/model:1.0, or https://registry.example/v2/team/model/manifests/1.0"
    )
