"""The load generator: HTTP/1.1 or gRPC in raw frames, so many requests in flight all the time, for so many seconds.

It says `go` when the warm-up is over, `done` at the end, then one line of JSON. It is a process on a core of its own.
gRPC: streams over at most eight connections. The peer is told to keep no header table, so that equal blocks of headers
mean the same and need to be decoded once.
"""

import asyncio
import json
import struct
import sys
import time
from pathlib import Path

import uvloop
from hpack import Decoder

WARM_UP = 0.7  # seconds
CONNECTIONS = 8  # of gRPC
LARGEST_FRAME = 16_384
WINDOW = 0x7FFFFFFF
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Tally:
    """What happened since the warm-up."""

    def __init__(self) -> None:
        self.times, self.errors, self.said, self.counting = [], 0, "", False

    def add(self, seconds: float, *, good: bool, what: bytes = b"") -> None:
        if not good:
            self.errors += 1
            self.said = self.said or what[:300].decode(errors="replace")
        if self.counting:
            self.times.append(seconds)


class Http(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self, tally: Tally, request: bytes, expected: bytes) -> None:
        self._tally, self._request, self._expected = tally, request, expected
        self._buffer, self._length, self._begun = bytearray(), -1, 0.0

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if self._length < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._length = _body_end(bytes(buffer[: end + 2]).lower(), end + 4)
        whole = len(buffer) >= self._length if self._length else buffer.endswith(b"0\r\n\r\n")
        if whole:
            good = buffer.startswith(b"HTTP/1.1 200") and self._expected in buffer
            self._tally.add(time.perf_counter() - self._begun, good=good, what=bytes(buffer[:300]))
            buffer.clear()
            self._length = -1
            self._send()

    def connection_lost(self, _error) -> None:
        self._tally.add(0, good=False, what=b"the connection was closed")


def _body_end(head: bytes, start: int) -> int:
    """Where the answer ends; 0 when it comes in chunks."""
    at = head.find(b"\r\ncontent-length:")
    return 0 if at < 0 else start + int(head[at + 17 : head.index(b"\r\n", at + 2)])


class Grpc(asyncio.Protocol):
    """One connection with as many streams in flight as it is told."""

    def __init__(self, tally: Tally, headers: bytes, message: bytes, streams: int) -> None:
        self._tally, self._headers, self._streams = tally, headers, streams
        self._message = b"\x00" + struct.pack(">I", len(message)) + message
        self._begun, self._waiting = {}, {}  # by stream: when; what is not sent yet: [rest, window]
        self._buffer, self._next = bytearray(), 1
        self._window, self._first_window, self._blocks = 65_535, 65_535, {}

    def connection_made(self, transport) -> None:
        self._transport = transport
        settings = struct.pack(">HIHIHI", 1, 0, 4, WINDOW, 2, 0)  # no header table, large windows, no push
        transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(SETTINGS, 0, 0, settings)
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW - 65_535))
        )
        for _ in range(self._streams):
            self._ask()

    def _ask(self) -> None:
        stream, self._next = self._next, self._next + 2
        self._begun[stream] = time.perf_counter()
        head, message = frame(HEADERS, END_HEADERS, stream, self._headers), self._message
        if len(message) <= min(LARGEST_FRAME, self._window, self._first_window):
            self._window -= len(message)
            self._transport.write(head + frame(DATA, END_STREAM, stream, message))
            return
        self._transport.write(head)
        self._waiting[stream] = [memoryview(message), self._first_window]
        self._flush()

    def _flush(self) -> None:
        out = []
        for stream, state in list(self._waiting.items()):
            rest, window = state
            while rest and (size := min(LARGEST_FRAME, self._window, window, len(rest))) > 0:
                last = END_STREAM if size == len(rest) else 0
                out += (struct.pack(">IBI", size << 8 | DATA, last, stream), rest[:size])
                rest, window, self._window = rest[size:], window - size, self._window - size
            if rest:
                state[:] = rest, window
            else:
                del self._waiting[stream]
        if out:
            self._transport.writelines(out)

    def data_received(self, data: bytes) -> None:
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= 9:
            length = int.from_bytes(buffer[at : at + 3])
            if len(buffer) - at < 9 + length:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9])
            self._frame(kind, flags, stream, bytes(buffer[at + 9 : at + 9 + length]))
            at += 9 + length
        del buffer[:at]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS and flags & END_STREAM:
            self._end(stream, self._trailers(payload), payload)
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._more(stream, int.from_bytes(payload))
        elif kind in (RST_STREAM, GOAWAY):
            self._end(stream, "reset", payload)

    def _more(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
        elif stream in self._waiting:
            self._waiting[stream][1] += size
        if self._waiting:
            self._flush()

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at : at + 6])
            if name == 4:
                for state in self._waiting.values():
                    state[1] += value - self._first_window
                self._first_window = value
        self._transport.write(frame(SETTINGS, ACK, 0, b""))
        self._flush()

    def _end(self, stream: int, status: str, payload: bytes) -> None:
        begun = self._begun.pop(stream, None)
        if begun is None:
            return
        self._waiting.pop(stream, None)
        what = b"" if status == "0" else f"grpc-status {status}: ".encode() + repr(Decoder().decode(payload)).encode()
        self._tally.add(time.perf_counter() - begun, good=status == "0", what=what)
        self._ask()

    def _trailers(self, block: bytes) -> str:
        if block not in self._blocks:
            self._blocks[block] = dict(Decoder().decode(block)).get("grpc-status", "none")
        return self._blocks[block]

    def connection_lost(self, _error) -> None:
        self._tally.add(0, good=False, what=b"the connection was closed")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def header_block(authority: str, path: str, more: dict[str, str]) -> bytes:
    """Plain literals, nothing that the peer has to remember."""
    found = b"\x83\x86" + b"\x04" + text(path) + b"\x01" + text(authority)
    for name, value in {"content-type": "application/grpc", "te": "trailers", **more}.items():
        found += b"\x00" + text(name) + text(value)
    return found


def text(value: str) -> bytes:
    """A string without Huffman coding, of up to 16 kB."""
    raw = value.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest = len(raw) - 127
    return bytes([127, rest & 127 | 128, rest >> 7]) + raw


def protocols(told: dict, tally: Tally) -> list:
    """One maker for each connection."""
    body, port = Path(told["body"]).read_bytes(), told["port"]
    if told["kind"] == "grpc":
        head = header_block(f"127.0.0.1:{port}", told["path"], told["headers"])
        connections = min(CONNECTIONS, told["concurrency"])
        streams = told["concurrency"] // connections
        return [lambda: Grpc(tally, head, body, streams)] * connections
    lines = {"Host": f"127.0.0.1:{port}", **told["headers"], "Content-Length": str(len(body))}
    head = f"POST {told['path']} HTTP/1.1\r\n" + "".join(f"{name}: {one}\r\n" for name, one in lines.items()) + "\r\n"
    return [lambda: Http(tally, head.encode() + body, told["expected"].encode())] * told["concurrency"]


async def run(told: dict) -> dict:
    tally, loop = Tally(), asyncio.get_running_loop()
    for protocol in protocols(told, tally):
        await loop.create_connection(protocol, "127.0.0.1", told["port"])
    await asyncio.sleep(WARM_UP)
    say("go")
    begun, tally.counting = time.perf_counter(), True
    await asyncio.sleep(told["seconds"])
    took, times, tally.counting = time.perf_counter() - begun, sorted(tally.times), False
    say("done")
    if not times:
        return {"requests": 0, "errors": tally.errors, "said": tally.said}
    return {
        "requests": len(times),
        "rate": len(times) / took,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[min(len(times) - 1, len(times) * 99 // 100)] * 1000,
        "errors": tally.errors,
        "said": tally.said,
    }


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(json.dumps(uvloop.run(run(json.loads(sys.argv[1])))))
