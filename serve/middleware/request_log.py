"""A request id, one log line per request, and a count of requests.

Log lines name the route and never the path: a path can hold a person's name.
"""

import logging
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.work.metrics import Metrics

log = logging.getLogger("serve")


class RequestLog:
    """ASGI middleware that gives every request an id, and counts and logs it once answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self.metrics.requests.labels(method, route, status).inc()
            took = 1e3 * (time.perf_counter() - started)
            log.info("%s %s %s %d %.1f ms", request_id, method, route, status, took)
