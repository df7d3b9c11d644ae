"""Numbers in groups of seven bits, the lowest first: protobuf's, and the tail of HPACK's."""

MORE, BITS = 0x80, 0x7F
_SHIFTS = range(7, 70, 7)  # ten bytes at most


class Broken(Exception):
    pass


def write(number: int) -> bytes:
    found = bytearray()
    while number >= MORE:
        found.append(number & BITS | MORE)
        number >>= 7
    found.append(number)
    return bytes(found)


def read(message: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number and where it ends. Raises IndexError at the end of the message, Broken when it has no end."""
    found = message[at]
    if found < MORE:
        return found, at + 1
    found &= BITS
    for shift in _SHIFTS:
        at += 1
        byte = message[at]
        found |= (byte & BITS) << shift
        if byte < MORE:
            return found, at + 1
    raise Broken
