"""Which server and which key: flags, then the environment, then the file that a server of this machine wrote."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from headrace.cli.failure import ExitCode, Failure

CLIENT_FILE = "client.toml"  # in the data folder, readable by its owner only: url = "…", key = "prefix.body"


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    key: str = field(repr=False)
    told_by: str  # where the URL was found, for messages


def default_data() -> Path:
    """HEADRACE_DATA, or the user's data folder by the XDG rule."""
    if given := os.environ.get("HEADRACE_DATA"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "headrace"


def find(url: str | None, key: str | None, data: Path | None = None) -> Target:
    """Raises Failure with the cure when there is no URL or no key for it."""
    file = (data or default_data()) / CLIENT_FILE
    stored = read_client_file(file)
    if url:
        found = Target(_plain(url), "", "--url")
    elif environment := os.environ.get("HEADRACE_URL"):
        found = Target(_plain(environment), "", "HEADRACE_URL")
    elif stored:
        found = stored
    else:
        raise Failure(
            f"no server is known: there is no --url, no HEADRACE_URL and no {file}",
            ExitCode.USAGE,
            cure="start one with `headrace serve`, or name one: --url http://host:port --key prefix.body",
        )
    # a stored key goes only to the server that it was made for
    stored_key = stored.key if stored and stored.url == found.url else ""
    found = Target(found.url, key or os.environ.get("HEADRACE_API_KEY") or stored_key, found.told_by)
    if not found.key:
        raise Failure(
            f"no key for {found.url} is known",
            ExitCode.DENIED,
            cure=(
                "give one with --key or HEADRACE_API_KEY; like prefix.body. A server writes its first one into "
                f"{CLIENT_FILE} of its data folder (with another --data than {file.parent}, name that in HEADRACE_DATA)"
            ),
        )
    return found


def read_client_file(file: Path) -> Target | None:
    """None when the file is not there."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return Target(_plain(content["url"]), str(content.get("key", "")), str(file))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Failure(f"{file} cannot be read: it belongs to the user who runs the server", ExitCode.DENIED) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise Failure(
            f"{file} is not as the server writes it: {error}", cure="delete it and restart the server"
        ) from error


def _plain(url: str) -> str:
    """Without a slash or /api at the end: clients write both."""
    return url.strip().rstrip("/").removesuffix("/api")
