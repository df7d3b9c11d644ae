"""The PATCH of a version (contracts/modzy.md, B.3): null and what is absent stay as they are, strangers are ignored."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec

from headrace.api.modzy.parse.models import Text, version_status
from headrace.catalog import requirements
from headrace.domain.errors import Invalid
from headrace.domain.version import (
    InputSpec,
    OutputSpec,
    Processing,
    Requirement,
    Statistic,
    Timeout,
    Version,
    VersionStatus,
)
from headrace.images.registry.auth import Credentials
from headrace.images.registry.reference import Reference
from headrace.images.registry.reference import parse as parse_reference
from headrace.inference.validate import check_schema

LONGEST_STEP = 24 * 3_600_000  # milliseconds
LONGEST_CREDENTIAL = 16_384  # characters; some registries take signed tokens as passwords
MOST_SPECS = 100
MOST_ENGINES = 10_000

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Short = Annotated[str, msgspec.Meta(max_length=10_000)]
Limit = Annotated[float, msgspec.Meta(ge=1, le=LONGEST_STEP)]
Size = Annotated[float, msgspec.Meta(ge=0, le=1 << 53)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_ENGINES)]


class TimeoutBody(msgspec.Struct):
    """Milliseconds; a client that multiplies seconds may send 500.0."""

    status: Limit | None = None
    run: Limit | None = None


class RequirementBody(msgspec.Struct, rename="camel"):
    requirement_id: int | None = None
    gpu_units: int | None = None
    cpu_amount: Short | None = None
    memory_amount: Short | None = None


class InputBody(msgspec.Struct, rename="camel"):
    name: Name
    accepted_media_types: Short | list[Short] | None = None
    maximum_size: Size | None = None
    description: Short | None = None


class OutputBody(msgspec.Struct, rename="camel"):
    name: Name
    media_type: Short | None = None
    media_types: Short | list[Short] | None = None
    maximum_size: Size | None = None
    description: Short | None = None


class StatisticBody(msgspec.Struct):
    label: Short
    value: float | str | None = None
    category: Short | None = None
    type: Short | None = None
    description: Short | None = None
    highlight: bool | None = None
    order: Annotated[int, msgspec.Meta(ge=-(1 << 31), le=1 << 31)] | None = None


class ProcessingBody(msgspec.Struct, rename="camel"):
    minimum_parallel_capacity: Count | None = None
    maximum_parallel_capacity: Count | None = None


class VersionPatch(msgspec.Struct, rename="camel"):
    """The last two stand at the top because Go sends them there (A.4)."""

    input_validation_schema: Text | None = None
    timeout: TimeoutBody | None = None
    requirement: RequirementBody | None = None
    inputs: Annotated[list[InputBody], msgspec.Meta(max_length=MOST_SPECS)] | None = None
    outputs: Annotated[list[OutputBody], msgspec.Meta(max_length=MOST_SPECS)] | None = None
    statistics: Annotated[list[StatisticBody], msgspec.Meta(max_length=MOST_SPECS)] | None = None
    long_description: Text | None = None
    technical_details: Text | None = None
    version_history: Text | None = None
    performance_summary: Text | None = None
    processing: ProcessingBody | None = None
    status: str | None = None
    minimum_parallel_capacity: Count | None = None
    maximum_parallel_capacity: Count | None = None


class ProcessingPatch(ProcessingBody):
    """…/processing takes both shapes too."""

    processing: ProcessingBody | None = None


class RegistryBody(msgspec.Struct):
    url: Short
    username: Annotated[str, msgspec.Meta(max_length=LONGEST_CREDENTIAL)] | None = None
    password: Annotated[str, msgspec.Meta(max_length=LONGEST_CREDENTIAL)] | None = None


class ImageBody(msgspec.Struct):
    """A container image in a registry, or a model folder on the server.

    The url is like host:port/repository/name:tag or https://host/v2/repository/name/manifests/tag; one of file:///… or
    an absolute path names a folder, as `folder` does.
    """

    registry: RegistryBody | None = None
    folder: str | None = None


class TestInputQuery(msgspec.Struct):
    """Which input of the model the file is for."""

    __test__ = False  # not a test, whatever its name looks like to pytest

    name: Name


@dataclass(frozen=True, slots=True)
class Changes:
    """What a PATCH asks for, by who may ask for it."""

    fields: Mapping[str, Any]  # of domain.version.Version
    timeout: TimeoutBody | None
    processing: ProcessingBody | None
    status: VersionStatus | None

    @property
    def edits(self) -> bool:
        return bool(self.fields) or self.timeout is not None

    def apply(self, version: Version) -> Version:
        changed = replace(version, **self.fields)
        if self.timeout is not None:
            changed = replace(changed, timeout=_timeout(self.timeout, version.timeout))
        if self.processing is not None:
            changed = replace(changed, processing=merged(self.processing, version.processing))
        return changed


def changes(patch: VersionPatch) -> Changes:
    """Raises Invalid."""
    given = {name: value for name in _READ if (value := getattr(patch, name)) is not None}
    fields = {name: _READ[name](value) for name, value in given.items()}
    top = ProcessingBody(patch.minimum_parallel_capacity, patch.maximum_parallel_capacity)
    status = None if patch.status is None else version_status(patch.status)
    return Changes(fields, patch.timeout, _processing(patch.processing, top), status)


def processing_of(patch: ProcessingPatch) -> ProcessingBody:
    top = ProcessingBody(patch.minimum_parallel_capacity, patch.maximum_parallel_capacity)
    found = _processing(patch.processing, top)
    if found is None:
        raise Invalid("the body lacks `minimumParallelCapacity` and `maximumParallelCapacity`")
    return found


def merged(body: ProcessingBody, old: Processing) -> Processing:
    """Raises Invalid when the minimum would be above the maximum."""
    new = Processing(
        old.minimum if body.minimum_parallel_capacity is None else body.minimum_parallel_capacity,
        old.maximum if body.maximum_parallel_capacity is None else body.maximum_parallel_capacity,
    )
    if new.minimum > new.maximum:
        raise Invalid(
            f"`minimumParallelCapacity` is {new.minimum}, above the `maximumParallelCapacity` of {new.maximum}"
        )
    if new.maximum < 1:
        raise Invalid("`maximumParallelCapacity` should be at least 1: without an engine nothing runs")
    return new


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """A container image that a body names."""

    reference: Reference
    credentials: Credentials | None


def source_of(body: ImageBody) -> str | RegistryImage:
    """The path of a folder on the server, or an image in a registry. Raises Invalid."""
    if body.folder:
        return body.folder
    if body.registry is None or not body.registry.url.strip():
        raise Invalid('the body should be a multipart file, or {"registry": {"url": "..."}}, or {"folder": "/path"}')
    url = body.registry.url.strip()
    if url.startswith("/"):
        return url
    if url.lower().startswith("file:"):
        return unquote(_path_of(url))
    return RegistryImage(parse_reference(url), _credentials(body.registry))


def _credentials(body: RegistryBody) -> Credentials | None:
    if not body.username and not body.password:
        return None
    if not body.username or not body.password:
        raise Invalid("`registry` should have a `username` and a `password`, or neither")
    if ":" in body.username or not (body.username + body.password).isprintable():
        raise Invalid("`registry.username` or `registry.password` has a character that no registry takes")
    return Credentials(body.username, body.password)


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Invalid(f"`registry.url` is not a URL: {url[:200]!r}") from None
    if parts.netloc not in ("", "localhost"):
        raise Invalid("a file url names a folder on the server itself: file:///path")
    return parts.path


def _processing(nested: ProcessingBody | None, top: ProcessingBody) -> ProcessingBody | None:
    for found in (nested, top):
        if found is not None and (found.minimum_parallel_capacity, found.maximum_parallel_capacity) != (None, None):
            return found
    return None


def _timeout(body: TimeoutBody, old: Timeout) -> Timeout:
    return Timeout(int(body.status or old.status), int(body.run or old.run))


def _requirement(body: RequirementBody) -> Requirement:
    """An identifier of the table wins over amounts, so that what GET answers can be sent back."""
    if body.requirement_id is not None and body.requirement_id != requirements.INLINE:
        return requirements.by_id(body.requirement_id)
    usual = requirements.by_id(requirements.DEFAULT)
    return requirements.inline(body.cpu_amount or usual.cpu, body.memory_amount or usual.memory, body.gpu_units or 0)


def _inputs(bodies: list[InputBody]) -> tuple[InputSpec, ...]:
    _check_names("inputs", [body.name for body in bodies])
    return tuple(
        InputSpec(body.name, _media(body.accepted_media_types), int(body.maximum_size or 0), body.description or "")
        for body in bodies
    )


def _outputs(bodies: list[OutputBody]) -> tuple[OutputSpec, ...]:
    _check_names("outputs", [body.name for body in bodies])
    return tuple(
        OutputSpec(
            body.name, body.media_type or _media(body.media_types), int(body.maximum_size or 0), body.description or ""
        )
        for body in bodies
    )


def _statistics(bodies: list[StatisticBody]) -> tuple[Statistic, ...]:
    return tuple(
        Statistic(
            label=body.label,
            value=_number(body.label, body.value),
            category=body.category or "",
            type=body.type or "",
            description=body.description or "",
            highlight=bool(body.highlight),
            order=body.order or 0,
        )
        for body in bodies
    )


def _number(label: str, value: float | str | None) -> float:
    try:
        number = float(value or 0)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Invalid(f"the statistic {label[:60]!r} should have a number as `value`, but has {str(value)[:60]!r}")
    return number


def _media(types: str | list[str] | None) -> str:
    return ", ".join(types) if isinstance(types, list) else types or ""


def _check_names(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"`{what}` has the name {name!r} more than once")
        if "/" in name or "\0" in name or name in (".", ".."):
            raise Invalid(
                f"`{what}` has the name {name!r}: it becomes a file's name, so it has no slash and is no dots"
            )


def _schema(text: str) -> str:
    check_schema(text)
    return text


def _as_it_is(text: str) -> str:
    return text


_READ: Mapping[str, Callable[[Any], Any]] = {
    "input_validation_schema": _schema,
    "requirement": _requirement,
    "inputs": _inputs,
    "outputs": _outputs,
    "statistics": _statistics,
    "long_description": _as_it_is,
    "technical_details": _as_it_is,
    "version_history": _as_it_is,
    "performance_summary": _as_it_is,
}
