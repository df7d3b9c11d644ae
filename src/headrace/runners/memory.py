"""Memory that was freed is kept for the next large body, here and in replicas.

glibc gives large blocks back to the kernel at once, and gets new pages, one fault for each, for the next one: that
costs more than all else that is done with a tensor of half a megabyte.
"""

import ctypes
import gc
from contextlib import suppress

LARGE = 32 << 20  # bytes; blocks up to this size are kept
KEPT = 16 << 20  # bytes that are free and not given back
OF_REPLICAS = {"MALLOC_MMAP_THRESHOLD_": str(LARGE), "MALLOC_TRIM_THRESHOLD_": str(KEPT)}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_YOUNG = 10_000  # new objects after which the collector looks at them


def keep_freed() -> None:
    """For this process. Another C library than glibc does as it likes."""
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE)
        mallopt(_TRIM_THRESHOLD, KEPT)


def settle() -> None:
    """What has been made until now stays: no later collection needs to look at it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    gc.enable()
