"""The way to a model that listens on a port of its own: what whoever speaks with it needs of whoever runs it."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.domain.image import Contract, ImageConfig


@dataclass(slots=True)
class Shared:
    """A folder that the model sees as `inside`, and may write in. Removed with the replica.

    `ours`: the bytes in it that the server has put there itself; any thread may read them.
    """

    folder: Path
    inside: str
    ours: int = 0


class Reach(Protocol):
    @property
    def config(self) -> ImageConfig:
        """What the image says of itself."""
        ...

    @property
    def contract(self) -> Contract | None:
        """As far as it was found out before."""
        ...

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it may listen, the likeliest first; only the first when the contract is known."""
        ...

    @property
    def shared(self) -> Shared: ...

    async def connect(self, port: int) -> socket.socket:
        """A connected, non-blocking stream socket. Raises OSError: nobody listens there (yet)."""
        ...
