"""The way to a model that listens on a port of its own: what whoever speaks with it needs of whoever runs it."""

import socket
from pathlib import Path
from typing import Protocol

from headrace.domain.image import Contract, ImageConfig


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
    def shared(self) -> Path:
        """A folder that the model sees as `shared_inside`, and may write in. Removed with the replica."""
        ...

    @property
    def shared_inside(self) -> str: ...

    async def connect(self, port: int) -> socket.socket:
        """A connected, non-blocking stream socket. Raises OSError: nobody listens there (yet)."""
        ...
