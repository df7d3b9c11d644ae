"""MLServer's headers of CloudEvents with answers to inferences (contracts/oip.md, A18): oip.cloudevents_headers."""

from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from headrace.settings import OipSettings

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")  # from where MLServer has it, too
_PLAIN = " !#$&'()*+,/:;=?@[]"  # of a header's value, beside letters, digits and -._~

Headers = list[tuple[bytes, bytes]]


class CloudEvents:
    def __init__(self, server_name: str, namespace: str) -> None:
        source = f"io.seldon.serving.deployment.{server_name}"
        self._always: Headers = [
            (b"ce-specversion", b"0.3"),
            (b"ce-source", _value(f"{source}.{namespace}" if namespace else source)),
            (b"ce-type", b"io.seldon.serving.inference.response"),
            (b"ce-inferenceservicename", _value(server_name)),
        ]
        if namespace:
            self._always.append((b"ce-namespace", _value(namespace)))

    @classmethod
    def of(cls, settings: OipSettings, namespace: Path = NAMESPACE) -> Self | None:
        """None: the operator does not want them."""
        if not settings.cloudevents_headers:
            return None
        found = ""
        with suppress(OSError, UnicodeDecodeError):
            found = namespace.read_text().strip()
        return cls(settings.server_name, found)

    def headers(self, model: str, identifier: bytes) -> Headers:
        """`model`: as the caller calls it; `identifier`: of the request, b"" where it has none."""
        name = _value(model)
        found = [*self._always, (b"ce-modelid", name), (b"ce-endpoint", name)]
        return [*found, (b"ce-id", identifier), (b"ce-requestid", identifier)] if identifier else found


def _value(text: str) -> bytes:
    return quote(text, safe=_PLAIN).encode()
