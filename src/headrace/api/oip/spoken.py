"""An answer that is given piece by piece, and called off as soon as the client leaves, also between two pieces."""

import asyncio
from abc import abstractmethod

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Spoken(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(self.speak(scope, receive, send))
            watching = group.create_task(_until_gone(receive, speaking))
            speaking.add_done_callback(lambda _: watching.cancel())

    @abstractmethod
    async def speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole answer. Cancelled when nobody reads it any more."""


async def _until_gone(receive: Receive, speaking: "asyncio.Task[None]") -> None:
    """Calls the speaker off when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    speaking.cancel()
