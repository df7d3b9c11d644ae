"""Counts every HTTP request that passes the app, by route and outcome, and writes the access log where it is on."""

from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.telemetry.requests import OTHER, Requests

ROUTE = "headrace.route"  # in the scope: the route's path as its table writes it
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ANSWER = "499"  # the client was gone before there was one


class Watched:
    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), NO_ANSWER

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = scope.get(ROUTE, OTHER)
            self._requests.over(route, method, status, began, path=scope["path"], peer=scope.get("client"))
