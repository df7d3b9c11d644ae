"""The most connections at once. A newcomer takes the place of the client who waits longest for nothing.

So nobody keeps others out by connections on which he does not ask. Only where all are at work is the newcomer refused,
and nobody else.
"""

from collections.abc import Iterable
from typing import Protocol

CROWDED = "headrace.crowded"  # in the scope of a request on a connection that is one too many
BUSY = "the server has as many connections as it may have: try again later"
SILENT = 5.0  # seconds after which whoever says nothing may have to make room; until then something may be on its way


class Guest(Protocol):
    """A connection."""

    def spare_since(self) -> float | None:
        """Since when it has said nothing while we owed it nothing; None while we do. In the loop's time."""
        ...

    def make_room(self) -> None:
        """It is to end now, for somebody else."""
        ...


def room_among(guests: Iterable[Guest], at: float) -> bool:
    """Ends the one that can be spared longest; False when there is none."""
    longest, since = None, at - SILENT
    for guest in guests:
        spare = guest.spare_since()
        if spare is not None and spare <= since:
            longest, since = guest, spare
    if longest is None:
        return False
    longest.make_room()
    return True
