"""Restricted groups of routes (contracts/oip.md, A22): a header with an agreed value, beside the key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Any

from headrace.api.endpoint import Call, Row
from headrace.domain.errors import Forbidden, Invalid

GROUPS = (
    "health", "metadata", "inference", "shared-memory", "model-config", "model-repository", "statistics", "trace",
    "logging",
)  # fmt: skip

GRPC_PREFIX = "triton-grpc-protocol-"

_LAST = {
    "ready": "health", "live": "health", "infer": "inference", "infer_stream": "inference", "generate": "inference",
    "generate_stream": "inference", "config": "model-config", "stats": "statistics", "setting": "trace",
    "logging": "logging", "completions": "inference", "embeddings": "inference",
}  # fmt: skip
_THIRD = {"repository": "model-repository", "systemsharedmemory": "shared-memory", "cudasharedmemory": "shared-memory"}


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes  # in lower case
    shown: str
    value: bytes


class Restrictions:
    """`settings`: each "group,group:header=value". Raises Invalid for one that is not."""

    def __init__(self, settings: Sequence[str]) -> None:
        self._headers = {group: header for text in settings for group, header in _parsed(text).items()}

    def check(self, group: str, headers: Mapping[bytes, bytes]) -> None:
        """`headers` in lower case. Raises Forbidden."""
        wanted = self._headers.get(group)
        if wanted is not None and not compare_digest(headers.get(wanted.name, b""), wanted.value):
            raise Forbidden(f"This API is restricted, expecting header '{wanted.shown}'")

    def wanted(self, group: str) -> tuple[str, str] | None:
        """Header in lower case and value; None where the group is free."""
        found = self._headers.get(group)
        return None if found is None else (found.name.decode(), found.value.decode())

    @property
    def names(self) -> frozenset[str]:
        """Of all headers whose values are agreed, over HTTP and gRPC."""
        found = {header.name.decode() for header in self._headers.values()}
        return frozenset(found | {GRPC_PREFIX + name for name in found})

    def guarded(self, row: Row) -> Row:
        group = group_of(row.path)
        if group not in self._headers:
            return row

        async def handler(call: Call[Any, Any]) -> Any:
            self.check(group, dict(reversed(call.request.scope["headers"])))
            return await row.handler(call)

        return replace(row, handler=handler)


def group_of(path: str) -> str:
    parts = path.split("/")
    if len(parts) > 2 and parts[2] in _THIRD:  # noqa: PLR2004 - "", "v2", what it is about
        return _THIRD[parts[2]]
    return _LAST.get(parts[-1], "metadata")


def _parsed(text: str) -> dict[str, _Header]:
    groups, colon, pair = text.partition(":")
    name, equals, value = pair.partition("=")
    names = [group.strip() for group in groups.split(",")]
    if unknown := [group for group in names if group not in GROUPS]:
        raise Invalid(f"oip.restricted names {unknown[0][:80]!r}: there are {', '.join(GROUPS)}")
    if not (colon and equals and name.strip()):
        raise Invalid("oip.restricted should be like inference,health:header=value")
    return dict.fromkeys(names, _Header(name.strip().lower().encode(), name.strip(), value.encode()))
