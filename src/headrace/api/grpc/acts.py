"""What a call of gRPC asks of handlers that REST has, too: the call that they are given."""

from collections.abc import Mapping
from typing import TypeVar

from starlette.requests import Request

from headrace.api import endpoint
from headrace.api.grpc.calls import Call

Q = TypeVar("Q")
B = TypeVar("B")

_NO_REQUEST = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})


def asking(call: Call, query: Q, body: B, params: Mapping[str, str] | None = None) -> endpoint.Call[Q, B]:
    """`params`: what stands in the path of the same request by REST."""
    return endpoint.Call(_NO_REQUEST, params or {}, call.principal, query, body, "")
