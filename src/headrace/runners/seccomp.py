"""The program by which the kernel refuses a sandboxed model the system calls that it does not need.

They mount, load kernel code, open new namespaces, or are old holes; or they take memory that no process is charged
for (shared memory of System V, secret memory). Refused calls fail with EPERM. `clone3` fails with ENOSYS, so that the
C library falls back to `clone`, whose flags can be read here. Numbers: the kernel's tables; the list follows Docker's.
"""

import os
import platform
import struct
from collections.abc import Iterable

ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # EPERM, ENOSYS
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # codes of the kernel's packet filter
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; the low half of the argument
NEW_USER = 0x10000000  # a flag of clone
X32 = 0x40000000  # calls of the x32 interface of x86_64 have this bit
CLONE3 = 435
# from 424 on, the numbers are the same everywhere: io_uring, the new mount calls, pidfd_getfd, memfd_secret
EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 447)

# architecture in the kernel's audit.h, number of clone, refused numbers
TABLES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        56,
        (
            *(29, 30, 31),  # shmget, shmat, shmctl
            *(101, 103, 155, 161, 163, 164),  # ptrace, syslog, pivot_root, chroot, acct, settimeofday
            *(165, 166, 167, 168, 169, 170, 171),  # mount, umount2, swapon, swapoff, reboot, set host and domain name
            *(172, 173, 175, 176, 179),  # iopl, ioperm, init_module, delete_module, quotactl
            *(246, 248, 249, 250, 272, 298),  # kexec_load, add_key, request_key, keyctl, unshare, perf_event_open
            *(303, 304, 308, 312, 313, 320),  # file handles, setns, kcmp, finit_module, kexec_file_load
            *(310, 311),  # process_vm_readv, process_vm_writev
            *(321, 323),  # bpf, userfaultfd
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        (
            *(194, 195, 196),
            *(117, 116, 41, 51, 89, 170),
            *(40, 39, 224, 225, 142, 161, 162),
            *(105, 106, 60),
            *(104, 217, 218, 219, 97, 241),
            *(264, 265, 268, 272, 273, 294),
            *(270, 271),
            *(280, 282),
        ),
    ),
}


def program(machine: str) -> bytes | None:
    """The filter for this kind of processor, or None where we have no table."""
    table = TABLES.get(machine)
    if table is None:
        return None
    architecture, clone, refused = table
    return b"".join(_instructions(architecture, clone, (*refused, *EVERYWHERE)))


def _instructions(architecture: int, clone: int, refused: Iterable[int]) -> Iterable[bytes]:
    yield _step(LOAD, ARCHITECTURE)
    yield _step(EQUAL, architecture, 1, 0)
    yield _step(RETURN, REFUSE)
    yield _step(LOAD, NUMBER)
    yield _step(AT_LEAST, X32, 0, 1)
    yield _step(RETURN, REFUSE)
    for number in refused:
        yield _step(EQUAL, number, 0, 1)
        yield _step(RETURN, REFUSE)
    yield _step(EQUAL, CLONE3, 0, 1)
    yield _step(RETURN, UNKNOWN)
    yield _step(EQUAL, clone, 0, 3)
    yield _step(LOAD, FIRST_ARGUMENT)
    yield _step(ANY_BIT, NEW_USER, 0, 1)
    yield _step(RETURN, REFUSE)
    yield _step(RETURN, ALLOW)


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)


def descriptor() -> int | None:
    """A new descriptor from which bubblewrap reads the program. Whoever asked for it closes it."""
    text = program(platform.machine())
    if text is None:
        return None
    memory = os.memfd_create("headrace-seccomp")
    os.write(memory, text)
    os.lseek(memory, 0, os.SEEK_SET)
    return memory
