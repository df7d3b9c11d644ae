"""Who we are to a registry: the name is an option; the password is not, others would see it in the process list."""

import os

from headrace.cli.failure import ExitCode, Failure

PASSWORD = "HEADRACE_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable
USERNAME_HELP = f"For the registry; the password is in {PASSWORD}."


def password_of(username: str) -> str:
    """Raises Failure when there is none."""
    password = os.environ.get(PASSWORD, "")
    if not password:
        raise Failure(f"there is no password for {username}: put it into {PASSWORD}", ExitCode.USAGE)
    return password
