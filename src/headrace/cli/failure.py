"""How a command ends: the exit codes that scripts may rely on, and the error that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    TIMEOUT = 5
    INTERRUPTED = 130


class Failure(Exception):
    """The command cannot go on. `cure` is what the user can do about it, "" if we do not know."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.cure = cure
