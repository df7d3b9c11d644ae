"""Headers of requests that models may see (contracts/oip.md, A10), where the operator wants it; never a key.

A model of Triton's sees each as a parameter of the header's name in lower case, as with Triton's
`--http-header-forward-pattern`; all others as the parameter `headers`, an object, as with MLServer. Whatever a caller
writes into that parameter himself is replaced: a header that a proxy has set is not to be told by a body.
"""

import re
from collections.abc import Mapping
from typing import Self

import msgspec

from headrace.api.callers import GRPC_TOKEN, TOKEN
from headrace.api.oip.restricted import Restrictions
from headrace.domain.errors import Invalid
from headrace.settings import OipSettings

KEYS = frozenset({"authorization", "proxy-authorization", "cookie", TOKEN, GRPC_TOKEN})


def hidden(settings: OipSettings) -> frozenset[str]:
    """Headers that no model sees, over HTTP and gRPC: what opens a door, here or elsewhere."""
    return KEYS | Restrictions(settings.restricted).names


class Seen:
    def __init__(self, pattern: re.Pattern[str], never: frozenset[str]) -> None:
        self._pattern, self._never = pattern, never

    @classmethod
    def of(cls, settings: OipSettings) -> Self | None:
        """None: models see no headers. Raises Invalid for a pattern that is none."""
        if not settings.forward_headers:
            return None
        try:
            pattern = re.compile(settings.forward_headers, re.IGNORECASE)
        except re.error as error:
            raise Invalid(f"oip.forward_headers is no regular expression: {error}") from None
        return cls(pattern, hidden(settings))

    def told(self, headers: Mapping[bytes, bytes]) -> str:
        """`headers` of HTTP, in lower case, as JSON."""
        return self.told_of({name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()})

    def told_of(self, metadata: Mapping[str, str]) -> str:
        """The same of gRPC's."""
        seen = {name: value for name, value in metadata.items() if self._may(name)}
        return msgspec.json.encode(seen).decode()

    def _may(self, name: str) -> bool:
        return name not in self._never and self._pattern.fullmatch(name) is not None
