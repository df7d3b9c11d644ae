"""How many files and connections this process may have open: as many as the system lets it have.

Shells and systemd start programs with 1,024, so that those who wait with select() are not broken. We do not, and
replicas get a limit of their own.
"""

import resource

MOST = 65_536  # more is of no use to anybody, and of harm to programs that close all they might have inherited
DOORS, SPARE = 2, 500  # HTTP and gRPC; for databases, bodies and replicas


def allow_many() -> int:
    """Raises the limit as far as it may be raised. Returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def shortage(files: int, connections: int) -> str:
    """What to tell the operator where `files` are too few for so many connections at each door; else ""."""
    needed = DOORS * connections + SPARE
    if files >= needed:
        return ""
    return (
        f"each of {DOORS} doors lets {connections} connections in (server.connections), but this process may have "
        f"{files} files open in all: raise its limit to {needed} (ulimit -n, LimitNOFILE=), or let fewer connections in"
    )
