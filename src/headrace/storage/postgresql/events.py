"""Events of all servers of a database, by LISTEN and NOTIFY on two connections of their own.

What is told is sent after its commit and many at once: a NOTIFY inside the commits would make them wait for each other.
What is lost on the way (a server that dies in between, a connection that breaks) is made up for by ANYTHING, and by the
listeners' own slow looks. Behind a pooler there is no LISTEN: then everybody is told ANYTHING once a second.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from psycopg import AsyncConnection, Error
from sqlalchemy.engine import URL

from headrace.storage.events import ANYTHING, Events
from headrace.storage.postgresql import connecting, faults

logger = logging.getLogger(__name__)

CHANNEL = "headrace"
LISTENING = "headrace listens"  # by this name the listeners of all servers are counted
PING, PONG = "events.ping", "events.pong"
SETTLED = 2.0  # seconds after which a server that does not answer counts as one that cannot be reached
LONGEST = 1_000  # characters of a payload; a longer one is told as ANYTHING
LOOK = 1.0  # seconds between two events behind a pooler
LOOKED = 1.5  # seconds after which every server behind a pooler has looked
PAUSE = 0.5  # seconds until a lost connection is made again
_LISTENERS = (
    "select count(*) from pg_stat_activity"
    " where datname = current_database() and usename = current_user and application_name = %s"
)


class _Message(msgspec.Struct, array_like=True):
    sender: str
    channel: str
    payload: str


class SharedEvents(Events):
    """`run` is to be started by the server; before that, and while the database is away, only own listeners hear."""

    def __init__(self, url: URL, *, sessions: bool) -> None:
        super().__init__()
        self._conninfo, self._sessions = connecting.conninfo(url), sessions
        self._me = secrets.token_hex(8)
        self._unsent: dict[tuple[str, str], None] = {}
        self._answers: dict[str, set[str]] = {}  # by ping: who has answered
        self._news = asyncio.Event()  # an answer came in
        self._sending: AsyncConnection | None = None
        self._more = asyncio.Event()
        self._running = False

    def tell(self, channel: str, payload: str = ANYTHING) -> None:
        super().tell(channel, payload)
        self._later(channel, payload)

    def _later(self, channel: str, payload: str) -> None:
        if self._running:
            self._unsent[channel, payload if len(payload) <= LONGEST else ANYTHING] = None
            self._more.set()

    async def run(self) -> None:
        self._running = True
        if not self._sessions:
            await self._look_forever()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen_forever())
            group.create_task(self._send_forever())

    async def settled(self) -> None:
        """Asks the others, and waits for as many answers as there are listeners; they answer in order of hearing.

        Behind a pooler nobody can be asked: there it waits until everybody has looked.
        """
        if self._running and not self._sessions:
            await asyncio.sleep(LOOKED)
        if self._sending is None:
            return
        ping = secrets.token_hex(4)
        answers = self._answers[ping] = set()
        try:
            async with asyncio.timeout(SETTLED):
                listeners = await (await self._sending.execute(_LISTENERS, (LISTENING,))).fetchone()
                others = 0 if listeners is None else int(listeners[0]) - 1
                if others > 0:
                    self._later(PING, ping)
                while len(answers) < others:
                    self._news.clear()
                    await self._news.wait()
        except (TimeoutError, Error):
            logger.warning("not every server has heard of a change yet")
        finally:
            del self._answers[ping]

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self._unsent.clear()
            self._hear_anything()

    async def _listen_forever(self) -> None:
        while True:
            try:
                async with self._connected() as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    await connection.execute(f"set application_name = '{LISTENING}'")
                    self._hear_anything()
                    async for notification in connection.notifies():
                        self._heard(notification.payload)
            except Error as error:
                logger.warning("other servers are not heard just now: %s", faults.first_line(error))
            self._hear_anything()
            await asyncio.sleep(PAUSE)

    def _heard(self, text: str) -> None:
        try:
            message = msgspec.json.decode(text, type=_Message)
        except msgspec.DecodeError:
            self._hear_anything()
            return
        if message.sender == self._me:
            return
        if message.channel == PING:
            self._later(PONG, message.payload)
        elif message.channel == PONG:
            self._answers.get(message.payload, set()).add(message.sender)
            self._news.set()
        else:
            self._hear(message.channel, message.payload)

    async def _send_forever(self) -> None:
        while True:
            try:
                async with self._connected() as connection:
                    self._sending = connection
                    while True:
                        await self._more.wait()
                        await self._send(connection)
            except Error as error:
                logger.warning("other servers are not told just now: %s", faults.first_line(error))
            finally:
                self._sending = None
            await asyncio.sleep(PAUSE)

    async def _send(self, connection: AsyncConnection) -> None:
        self._more.clear()
        unsent, self._unsent = self._unsent, {}
        texts = [msgspec.json.encode(_Message(self._me, *one)).decode() for one in unsent]
        try:
            await connection.execute(
                "select pg_notify(%s, one) from unnest(%s::text[]) as one", (CHANNEL, texts), prepare=True
            )
        except Error:
            self._unsent = unsent | self._unsent
            self._more.set()
            raise

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            await connecting.set_up_session(connection)
            yield connection
