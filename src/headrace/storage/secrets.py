"""Secrets of this installation: random bytes in files that only the server's user can read, made at the first start."""

import secrets
from pathlib import Path

from headrace.domain.errors import StorageFailed
from headrace.storage.disk import write_durably

LENGTH = 32  # bytes


def secret(folder: Path, name: str) -> bytes:
    """The 32 bytes in `folder/name`, made and fsynced if they are not there yet. Raises StorageFailed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        write_durably(path, secrets.token_bytes(LENGTH), mode=0o600)
    value = path.read_bytes()
    if len(value) != LENGTH:
        raise StorageFailed(f"{path} should hold {LENGTH} bytes and holds {len(value)}: restore it from a backup")
    return value
