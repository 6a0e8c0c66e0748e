"""Request bodies: counted and timed while they arrive, so that no header needs to be believed."""

import asyncio
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.problems import problem


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than `limit` bytes.

    With a `Content-Length` above it nothing is read; without one the bytes are counted and the app
    sees the client leave as soon as there are too many. A body that is not there after `seconds`
    is answered with 408: a client that stalls, or sends a byte at times, holds nothing for long.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self.app, self.limit, self.seconds = app, limit, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared(scope) > self.limit:
            await self._refuse(scope, receive, send)
            return
        arriving = _Arriving(receive, send, self.limit, self.seconds)
        await self.app(scope, arriving.receive, arriving.send)
        if arriving.started:
            return
        if arriving.too_large:
            await self._refuse(scope, receive, send)
        elif arriving.late:
            await self._give_up(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(
            scope["state"]["request_id"],
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "request.too_large",
            f"the request body is larger than the {self.limit} bytes read here; "
            "send shorter clips, or fewer of them",
            {"Connection": "close"},
            {"allowed": self.limit},
        )
        await response(scope, receive, send)

    async def _give_up(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(
            scope["state"]["request_id"],
            HTTPStatus.REQUEST_TIMEOUT,
            "request.too_slow",
            f"the request body was not there after {self.seconds:g} s; send it again",
            {"Connection": "close"},
        )
        await response(scope, receive, send)


class _Arriving:
    """One body on its way, and the reply, kept back if the body did not come."""

    def __init__(self, receive: Receive, send: Send, limit: int, seconds: float) -> None:
        self._receive, self._send = receive, send
        self._limit, self._deadline = limit, time.monotonic() + seconds
        self._got, self._complete = 0, False
        self.late = self.started = False

    @property
    def too_large(self) -> bool:
        return self._got > self._limit

    async def receive(self) -> Message:
        if self.too_large or self.late:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.late = True
            return {"type": "http.disconnect"}
        self._got += len(message.get("body", b""))
        self._complete = not message.get("more_body")
        return {"type": "http.disconnect"} if self.too_large else message

    async def send(self, message: Message) -> None:
        if (self.too_large or self.late) and not self.started:
            return  # the app's complaint about the missing rest of the body
        self.started = True
        await self._send(message)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])  # longer is no number of bytes; the count decides anyway
    return 0
