"""Secrets of other people, as they lie in the database: sealed by AES-GCM under a key that is not in the database."""

import base64
import binascii
import importlib
import secrets
from typing import Any

from headrace.domain.errors import StorageFailed, Unsupported

NONCE = 12  # bytes
FORM = "1:"  # what stands before a sealed text, so that a later form can be told apart


class Seal:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, text: str, about: str) -> str:
        """`about` says what it belongs to: moved to another place it cannot be opened. Raises Unsupported."""
        nonce = secrets.token_bytes(NONCE)
        sealed: bytes = self._cipher().encrypt(nonce, text.encode(), about.encode())
        return FORM + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, about: str) -> str:
        """Raises StorageFailed for what was not sealed by this installation for this purpose, Unsupported."""
        cipher = self._cipher()
        wrong: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidTag
        try:
            raw = base64.b64decode(sealed.removeprefix(FORM), validate=True)
            opened: bytes = cipher.decrypt(raw[:NONCE], raw[NONCE:], about.encode())
            return opened.decode()
        except (binascii.Error, ValueError, wrong):
            raise StorageFailed(
                "a stored secret cannot be opened: the key in secrets/ is not the one that sealed it"
            ) from None

    def _cipher(self) -> Any:
        try:  # of an extra: who stores no credentials needs none
            return importlib.import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(self._key)
        except ImportError:
            raise Unsupported(
                "credentials are only stored sealed, for which the server lacks: pip install cryptography"
            ) from None
