"""A request id, one log line per request, and a count of requests.

Log lines name the client's address and the id of the key, so that whoever guesses at keys can be
traced. They name the route and never the path: a path can hold a person's name.
"""

import ipaddress
import logging
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.problems import PRIVATE
from serve.work.metrics import Metrics

log = logging.getLogger("serve")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""Others are counted and logged as one: a client may send a new one with each request."""


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
                MutableHeaders(scope=message).update({"X-Request-ID": request_id, **PRIVATE})
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "any"
            self.metrics.requests.labels(method, route, status).inc()
            took = 1e3 * (time.perf_counter() - started)
            who = f"{_address(scope)} key {scope['state'].get('claimed', 'none')}"
            log.info("%s %s %s %d %.1f ms %s", request_id, method, route, status, took, who)


def _address(scope: Scope) -> str:
    """The client's address; behind a trusted proxy it is what a header says, which may be words."""
    try:
        return str(ipaddress.ip_address((scope.get("client") or ("",))[0]))
    except ValueError:
        return "unknown"
