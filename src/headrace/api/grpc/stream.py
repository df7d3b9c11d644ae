"""One call on a connection: what the rules of HTTP/2 need to know of it, and what still has to go out."""

import asyncio
from collections import deque

from headrace.api.grpc.headers import Head
from headrace.api.grpc.inbox import Inbox
from headrace.api.grpc.status import Status
from headrace.api.grpc.turns import NO_TURN, Turn
from headrace.inference.ask import Ticket


class Stream:
    """What few calls change stands at the class, so that a small call is made of four fields and a number of flags."""

    inbox: Inbox | None = None  # its messages as they come in; None: none will come, or the only one was handed on
    task: asyncio.Task[None] | None = None
    ticket: Ticket | None = None  # of a call that runs without a task
    asking: asyncio.Task[None] | None = None  # for the caller's key, before the call can start
    timer: asyncio.TimerHandle | None = None
    turn: Turn = NO_TURN  # among the calls that came before on the connection
    incoming: asyncio.Event | None = None  # set whenever something came: for those who read message by message
    drained: asyncio.Event | None = None  # set when everything has gone out: for those who write message by message

    admitted = False  # the caller was asked for a key: we read on beyond the first window
    room = 0  # bytes that the peer may still send
    taken = 0  # bytes received for which the stream's window was not opened again
    kept = 0  # bytes received for which the connection's was not
    reserved = 0  # bytes of large messages that the desk counts
    lent = 0  # bytes of messages that somebody works on who reads message by message
    received = 0  # bytes of all its messages, where their number was said before
    touched = 0.0  # when the last piece came
    peer_done = False  # it has sent everything
    done = False  # we have sent everything, or nobody wants it any more
    wasted = False  # refused, or dropped: all that came for it brought nothing
    failure: Status | None = None  # why nothing more is read

    begun = False  # our headers have gone out
    queue: deque[memoryview] | None = None  # what the windows do not let out yet
    queued = 0
    last: bytes | None = None  # the frame that ends the stream, once the queue is empty

    def __init__(self, number: int, head: Head, window: int, began: float) -> None:
        self.number, self.head = number, head
        self.window = window  # bytes that we may still send
        self.began = began  # monotonic seconds

    @property
    def busy(self) -> bool:
        """Somebody works on it, or something has to go out."""
        return self.ticket is not None or self.task is not None or self.asking is not None or bool(self.queue)

    @property
    def waits_for_peer(self) -> bool:
        """A message is late. Between two messages a client may take its time, where there may be more than one.

        Without room the client waits for us.
        """
        if self.done or self.peer_done or self.inbox is None or not self.room:
            return False
        return self.incoming is None or not self.inbox.between
