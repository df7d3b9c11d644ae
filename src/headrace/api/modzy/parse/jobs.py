"""A job's JSON -> NewJob (contracts/modzy.md, A.6.1; seed 1)."""

import base64
import binascii
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import msgspec

from headrace.api import sentences
from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid, Unsupported
from headrace.domain.ids import VersionKey
from headrace.domain.job import HIGHEST, NORMAL, JobInput, NewJob
from headrace.domain.source import SourceKind

LONGEST_TIMEOUT = 1 << 40  # milliseconds
LONGEST_NAME = 1_000  # characters of an input's name or a model's input name
_KNOWN = frozenset({"model", "explain", "timeout", "input", "priority"})
_ALIASES = {"azure-blobstore": SourceKind.AZURE_BLOB}

Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_TIMEOUT)]


class ModelBody(msgspec.Struct):
    identifier: str
    version: str


class InputBody(msgspec.Struct):
    """What all types have; the credentials of the others are not read. `sources`: see Inputs."""

    type: str
    sources: dict[str, msgspec.Raw] = {}


class JobBody(msgspec.Struct):
    """`input` absent: an open job. `explain` also comes as text: a documented sample has "true".

    `priority` is ours: a weight among the jobs of one user, 10 when nothing is said.
    """

    model: ModelBody
    explain: bool | str | None = None
    timeout: Milliseconds | None = None
    priority: Annotated[int, msgspec.Meta(ge=1, le=HIGHEST)] | None = None
    input: InputBody | None = None


_LEARNED = msgspec.json.Decoder(JobBody)  # learned here: msgspec ends the process when two threads learn a type at once


def new_job(raw: bytes) -> NewJob:
    """Raises Invalid, Unsupported."""
    body = sentences.decode(raw, JobBody)
    sentences.check_spelling(raw, _KNOWN)
    version = VersionKey(body.model.identifier, body.model.version)
    explain = _flag(body.explain)
    timeout: Millis = int(body.timeout or 0)
    priority = body.priority or NORMAL
    if body.input is None:
        return NewJob(version, SourceKind.FILE, None, explain, timeout, priority)
    kind = _kind(body.input.type)
    read = _READ.get(kind)
    if read is None:
        raise Unsupported(
            f"input type {kind.value} is not fetched by this server yet:"
            " send the data as text or embedded, or upload files"
        )
    if not body.input.sources:
        raise Invalid("`input.sources` should hold at least one input: {name: {model input name: data}}")
    return NewJob(version, kind, Inputs(body.input.sources, read), explain, timeout, priority)


class Inputs(Collection[JobInput]):
    """The inputs of a body, each parsed when its turn comes: a million of them as objects take ten times the body."""

    def __init__(self, sources: Mapping[str, msgspec.Raw], read: Callable[[str], bytes]) -> None:
        self._sources, self._read = sources, read

    def __iter__(self) -> Iterator[JobInput]:
        """Raises Invalid."""
        for name, raw in self._sources.items():
            yield _input(name, sentences.decode(raw, Any), self._read)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, one: object) -> bool:
        return any(one == found for found in self)

    @property
    def names(self) -> list[str]:
        return list(self._sources)


def names(new: NewJob) -> list[str]:
    """Of the inputs of what `new_job` has made."""
    return new.inputs.names if isinstance(new.inputs, Inputs) else []


def _kind(text: str) -> SourceKind:
    try:
        kind = _ALIASES.get(text) or SourceKind(text)
    except ValueError:
        known = ", ".join(kind for kind in SourceKind if kind is not SourceKind.FILE)
        raise Invalid(f"`input.type` should be one of {known}, but is {text[:60]!r}") from None
    if kind is SourceKind.FILE:
        raise Invalid(
            "files are sent in pieces: submit the job without `input`, then POST /api/jobs/{job}/{input}/{name}"
        )
    return kind


def _flag(value: bool | str | None) -> bool:
    if isinstance(value, str):
        if value.lower() not in ("true", "false", ""):
            raise Invalid(f"`explain` should be true or false, but is {value[:60]!r}")
        return value.lower() == "true"
    return bool(value)


def _input(name: str, files: Any, read: Callable[[str], bytes]) -> JobInput:
    if not isinstance(files, dict):
        raise Invalid(f"input {name!r} should be an object {{model input name: data}}, but is {_kind_of(files)}")
    if len(name) > LONGEST_NAME:
        raise Invalid(f"the input name that begins with {name[:60]!r} has more than {LONGEST_NAME} characters")
    bodies: dict[str, bytes] = {}
    for key, value in files.items():
        if not isinstance(value, str):
            raise Invalid(f"{key!r} of input {name!r} should be text, but is {_kind_of(value)}")
        try:
            bodies[key] = read(value)
        except ValueError as error:
            return JobInput(name, refusal=f"{key}: {error}")
    return JobInput(name, bodies)


def _text(value: str) -> bytes:
    return value.encode()


def data_uri(value: str) -> bytes:
    """The bytes of a data-URI. Raises ValueError with a sentence.

    Clients disagree with their own headers: Java's says nothing of base64 and sends base64. So the payload is taken
    as base64 where that is possible, and as percent-encoded text where it is not and base64 was not promised.
    """
    head, comma, payload = value.partition(",")
    if not comma or not head.lower().startswith("data:"):
        raise ValueError("is not a data-URI: send data:<media type>;base64,<content>")
    try:
        return _base64(payload)
    except binascii.Error:
        if head.lower().endswith(";base64"):
            raise ValueError("the content of the data-URI is not base64") from None
    return unquote_to_bytes(payload)


def _base64(payload: str) -> bytes:
    try:
        return base64.b64decode(payload, validate=True)
    except (
        ValueError
    ):  # also for characters outside ASCII; once more without line breaks, percent signs, lacking padding
        clean = "".join(unquote_to_bytes(payload).decode("latin-1").split())
        try:
            return base64.b64decode(clean + "=" * (-len(clean) % 4), validate=True)
        except ValueError as error:
            raise binascii.Error(str(error)) from None


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


_READ: Mapping[SourceKind, Callable[[str], bytes]] = {SourceKind.TEXT: _text, SourceKind.EMBEDDED: data_uri}
