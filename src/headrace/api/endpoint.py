"""One row of the table of endpoints, and what its handler is given: checked, typed, nothing raw."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request

from headrace.accounts.once import Mark, unmarked
from headrace.api.bodies import Bodies, Room
from headrace.api.multipart import Multipart, Part
from headrace.domain.account import Action, Principal, Status, User

Q = TypeVar("Q")
B = TypeVar("B")
Q_co = TypeVar("Q_co", covariant=True)
B_co = TypeVar("B_co", covariant=True)

NOBODY = Principal(
    account="",
    team="",
    user=User("", "", "", "", "", "", Status.INACTIVE, 0),
    key="",
    roles=frozenset(),
)  # who asks at a public endpoint: may do nothing else


class NoQuery(msgspec.Struct):
    """Of endpoints that read no query: whatever is sent there is ignored."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart body that is still on its way; its size is limited and its sender's patience too."""

    content_type: str
    pieces: AsyncIterator[bytes]
    watch: Callable[[bytes], object] | None = None  # sees the content of the part as it passes

    async def part(self, name: str) -> Part:
        part = await Multipart(self.pieces, self.content_type).part(name)
        return part if self.watch is None else replace(part, pieces=_watched(part.pieces, self.watch))


async def _watched(pieces: AsyncIterator[bytes], watch: Callable[[bytes], object]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        watch(piece)
        yield piece


@dataclass(frozen=True, slots=True)
class Call(Generic[Q_co, B_co]):
    request: Request
    params: Mapping[str, str]
    principal: Principal
    query: Q_co
    body: B_co
    base_url: str  # what the client calls us, without a slash at the end
    mark: Mark = unmarked  # for the transaction that makes what was asked for, when it came with an Idempotency-Key
    # for the body, and what it grows by; given back once the answer is sent
    room: Room = field(default_factory=lambda: Bodies().room())


@dataclass(frozen=True, slots=True)
class UploadPart:
    """The multipart body of an endpoint: the name of its file part, and how large it may be."""

    name: str
    at_most: int


@dataclass(frozen=True, slots=True)
class Repeatable:
    """Takes an Idempotency-Key. `again` answers once more for what was made when the first answer was lost.

    `secret`: the answer shows a key once and is not kept.
    """

    again: Callable[[Call[Any, Any], str], Awaitable[Any]] | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Q, B]):
    """A row. `needs` None: public; more than one action: any of them will do.

    `body` is a JSON struct, `upload` a multipart body; with both, the Content-Type decides.
    """

    method: str
    path: str
    summary: str
    needs: Action | tuple[Action, ...] | None
    handler: Callable[[Call[Q, B]], Awaitable[Any]]
    query: type[Q] | None = None
    body: Any = None  # a struct; or bytes, which the handler decodes itself as `body_schema` says
    body_schema: Any = None  # for the document, also where the handler reads the body itself
    upload: UploadPart | None = None
    answer: Any = None  # the struct of the answer, or None for an empty one
    media_type: str = "application/json"  # of the answer; for the document only
    success: int = 200
    errors: tuple[int, ...] = ()  # beside those that every endpoint has
    repeat: Repeatable | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """Empty: public."""
        if self.needs is None:
            return ()
        return (self.needs,) if isinstance(self.needs, Action) else self.needs

    @property
    def json_body(self) -> Any:
        return self.body if self.body_schema is None else self.body_schema

    @property
    def tag(self) -> str:
        parts = self.path.split("/")
        return parts[2] if len(parts) > 2 and parts[1] == "api" else "server"  # noqa: PLR2004 - "", "api", resource


Row = Endpoint[Any, Any]
