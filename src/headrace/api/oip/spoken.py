"""An answer that is given piece by piece, and called off as soon as the client leaves, also between two pieces.

At the end of a drain, when there is no more time, the client is told so before it is called off.
"""

import asyncio
from abc import abstractmethod

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from headrace.api.drain import goodbye


class Spoken(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            await send(message)
            begun = True

        try:
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(self.speak(scope, receive, told))
                watching = group.create_task(_until_gone(receive, speaking))
                speaking.add_done_callback(lambda _: watching.cancel())
        except asyncio.CancelledError:
            if not begun:
                await self.refused(goodbye())(scope, receive, send)
            elif (last := self.broken_off(goodbye())) is not None:
                await send({"type": "http.response.body", "body": last})

    @abstractmethod
    async def speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole answer. Cancelled when nobody reads it any more."""

    @abstractmethod
    def refused(self, error: Exception) -> Response:
        """What is said when nothing was said yet."""

    @abstractmethod
    def broken_off(self, error: Exception) -> bytes | None:
        """The last piece of an answer that will not be complete; None when only a lost connection can tell."""


async def _until_gone(receive: Receive, speaking: "asyncio.Task[None]") -> None:
    """Calls the speaker off when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    speaking.cancel()
