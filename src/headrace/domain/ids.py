"""Identifiers: made from the operating system's randomness, checked by shape."""

import re
import secrets
import string
import uuid
from dataclasses import dataclass

from headrace.domain.errors import Invalid

_LOWER = string.ascii_lowercase + string.digits
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"  # a number has no leading zero (semver.org, number 9)
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-(?P<pre>{_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
LONGEST_VERSION = 64


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One version of one model: what replicas run and what questions are addressed to."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"


def new_model_id() -> str:
    """10 lower-case letters and digits, the first a letter (contracts/modzy.md, A.3.1)."""
    return secrets.choice(string.ascii_lowercase) + "".join(secrets.choice(_LOWER) for _ in range(9))


def new_id() -> str:
    """For users, teams and quotas."""
    return str(uuid.uuid4())


def new_job_id() -> str:
    """A UUID: Modzy.NET parses it as one (contracts/modzy.md, rule 9)."""
    return str(uuid.uuid4())


def check_version(text: str) -> str:
    """Semantic versions only: a bad one in a list panics the Go SDK (contracts/modzy.md, rule 8)."""
    if len(text) > LONGEST_VERSION or not _SEMVER.fullmatch(text):
        raise Invalid(f"version {text[:80]!r} is not a semantic version: write it like 1.0.0 or 2.1.0-rc.1")
    return text


def version_order(text: str) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
    """A sort key by the precedence rules of semver.org, number 11. `text` has passed `check_version`."""
    match = _SEMVER.fullmatch(text)
    if match is None:
        raise Invalid(f"{text!r} is not a semantic version")
    major, minor, patch, pre = match.group(1, 2, 3, "pre")
    parts = tuple(
        (False, int(part), "") if part.isdigit() else (True, 0, part) for part in (pre.split(".") if pre else ())
    )
    return int(major), int(minor), int(patch), pre is None, parts
