"""A sink of events: a real HTTP server that remembers what is posted to it."""

import asyncio
import json
import re
from contextlib import asynccontextmanager


class SinkServer:
    """`status`: what it answers with."""

    def __init__(self):
        self.events, self.heads, self.status = [], [], 202
        self.port, self.came = 0, asyncio.Condition()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/events"

    async def after(self, count):
        """The first `count` events, in the order of their ids."""
        async with asyncio.timeout(60), self.came:
            await self.came.wait_for(lambda: len(self.events) >= count)
        return sorted(self.events, key=lambda one: (one["exchange"], one["id"]))

    async def serve(self, reader, writer):
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                [length] = re.findall(r"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length))
                status = self.status
                if status < 300:
                    self.heads.append(head)
                    self.events.append(json.loads(body))
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\n\r\n" % status)
                async with self.came:
                    self.came.notify_all()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def sink_server():
    found = SinkServer()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        found.port = server.sockets[0].getsockname()[1]
        yield found
