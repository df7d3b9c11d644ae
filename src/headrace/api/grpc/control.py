"""Frames that are neither headers nor data: settings, windows, pings, resets."""

from collections.abc import Callable

from headrace.api.grpc import http2
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.grpc.outbox import Outbox
from headrace.api.grpc.stream import Stream
from headrace.api.grpc.streams import Streams

PING_SIZE = 8


class Control:
    """`drop` ends a stream that its peer wants no more; `ponged` gets what our pings are answered with."""

    def __init__(
        self, outbox: Outbox, streams: Streams, drop: Callable[[Stream], None], ponged: Callable[[bytes], None]
    ) -> None:
        self._outbox, self._streams, self._drop, self._ponged = outbox, streams, drop, ponged
        self._acts: dict[int, Callable[[int, int, bytes], None]] = {
            http2.WINDOW_UPDATE: self._window_update,
            http2.PING: self._ping,
            http2.SETTINGS: self._settings,
            http2.RST_STREAM: self._reset,
            http2.GOAWAY: _check_goaway,
            http2.PRIORITY: _check_priority,
        }

    def act(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Raises ConnectionFault, StreamFault."""
        act = self._acts.get(kind)
        if act is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client pushes nothing")
        act(flags, number, payload)

    def _window_update(self, _flags: int, number: int, payload: bytes) -> None:
        if len(payload) != http2.NUMBER.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a WINDOW_UPDATE has 4 bytes")
        increment = http2.NUMBER.unpack(payload)[0] & http2.HIGHEST
        if not number:
            if not increment:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window grows by at least 1")
            self._outbox.widen(None, increment)
            return
        if number > self._streams.latest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"WINDOW_UPDATE for stream {number}, which is not open")
        stream = self._streams.open.get(number)
        if stream is None:
            return
        if not increment:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a window grows by at least 1")
        self._outbox.widen(stream, increment)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) != PING_SIZE:
            code = ErrorCode.PROTOCOL_ERROR if number else ErrorCode.FRAME_SIZE_ERROR
            raise ConnectionFault(code, "a PING has no stream, and 8 bytes")
        if flags & http2.ACK:
            self._ponged(payload)
        else:
            self._outbox.write(http2.frame(http2.PING, http2.ACK, 0, payload))

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS have no stream")
        if len(payload) % http2.SETTING.size or (flags & http2.ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS have 6 bytes each, and none to acknowledge")
        if flags & http2.ACK:
            return
        for name, value in http2.SETTING.iter_unpack(payload):
            if name == http2.INITIAL_WINDOW_SIZE:
                self._outbox.set_initial(value, list(self._streams))
            elif name == http2.MAX_FRAME_SIZE:
                self._outbox.set_largest(value)
            elif name == http2.ENABLE_PUSH and value > 1:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        self._outbox.write(http2.frame(http2.SETTINGS, http2.ACK, 0))

    def _reset(self, _flags: int, number: int, payload: bytes) -> None:
        if len(payload) != http2.NUMBER.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a RST_STREAM has 4 bytes")
        if not number or number > self._streams.latest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"RST_STREAM for stream {number}, which is not open")
        stream = self._streams.open.get(number)
        if stream is not None:
            self._drop(stream)


def _check_priority(_flags: int, number: int, payload: bytes) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
    if len(payload) != http2.PRIORITY_SIZE:
        raise StreamFault(number, ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY has 5 bytes")
    if http2.NUMBER.unpack_from(payload)[0] & http2.HIGHEST == number:
        raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")


def _check_goaway(_flags: int, number: int, payload: bytes) -> None:
    """What a client has to say is no more than that it opens no new streams."""
    if number or len(payload) < http2.GONE.size:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a broken GOAWAY")
