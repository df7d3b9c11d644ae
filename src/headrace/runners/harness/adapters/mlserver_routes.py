"""Routes that a class of MLServer declares with `@custom_handler`: a FastAPI application of them, as MLServer makes it.

So path and query parameters, bodies, `Request`, `Response`, streams and errors of a handler work as they did there.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from headrace.runners.harness.adapters.adapter import HttpRequest, Pieces
from headrace.runners.harness.failures import fault, log, message


class Handlers:
    """None of FastAPI is loaded for a model without handlers."""

    def __init__(self, model: Any) -> None:
        found = importlib.import_module("mlserver.handlers.custom").get_custom_handlers(model)
        self.routes = tuple((handler.rest_method.upper(), handler.rest_path) for handler, _ in found)
        self._app = _application(found) if found else None

    async def respond(self, request: HttpRequest, pieces: Pieces) -> None:
        """Raises Unwanted, and what went wrong before there was an answer."""
        if self._app is None:
            raise LookupError("this model has no handlers")
        call = _Call(request, pieces)
        try:
            await self._app(call.scope(), call.receive, call.send)
        except Exception as failure:  # told in the answer if there is one: see _failed
            if call.failure is None and not call.begun:
                raise
            log(failure)
        if call.failure is not None:
            raise call.failure


class _Call:
    """One request, as ASGI sees it."""

    def __init__(self, request: HttpRequest, pieces: Pieces) -> None:
        self._request, self._pieces = request, pieces
        self._sent = False  # the request's body
        self.begun = False
        self.failure: BaseException | None = None  # the caller is gone, or the answer is too large

    def scope(self) -> dict[str, Any]:
        asked = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": asked.method,
            "scheme": "http",
            "path": asked.path,
            "raw_path": asked.path.encode(),
            "query_string": asked.query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers],
            "client": None,
            "server": None,
        }

    async def receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return] # nobody says "disconnect"

    async def send(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            headers = [(_text(name), _text(value)) for name, value in event.get("headers", ())]
            self._pieces.begin(int(event["status"]), headers)
            self.begun = True
            return
        body, more = bytes(event.get("body", b"")), event.get("more_body", False)
        if more and not body:
            return
        try:
            self._pieces.give(body)
        except BaseException as failure:  # noqa: BLE001 - Unwanted is none that frameworks let through unchanged
            self.failure = failure
            raise ConnectionError("the caller is gone") from None


def _application(found: Any) -> Any:
    """What MLServer's own server adds its handlers to, without its other routes."""
    fastapi: Any = importlib.import_module("fastapi")
    rest: Any = importlib.import_module("mlserver.rest.app")
    errors: Any = importlib.import_module("mlserver.rest.errors")
    app = fastapi.FastAPI(
        default_response_class=rest.Response,
        exception_handlers={**errors._EXCEPTION_HANDLERS, Exception: _failed},  # noqa: SLF001 - there is no other way to it
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.router.route_class = rest.APIRoute
    for handler, method in found:
        app.add_api_route(handler.rest_path, method, methods=[handler.rest_method.upper()])
    return app


async def _failed(_request: Any, failure: Exception) -> Any:
    """As everywhere here: what the model said, and the status that its error names."""
    responses: Any = importlib.import_module("fastapi.responses")
    _, said = fault(failure)
    return responses.JSONResponse({"error": message(failure)}, int(said.get("status", 500)))


def _text(value: bytes) -> str:
    return bytes(value).decode("latin-1")
