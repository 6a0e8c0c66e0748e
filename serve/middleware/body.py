"""Request bodies: counted and timed while they arrive; then whether the client is still there."""

import asyncio
import time
from collections.abc import Coroutine
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import ClientLeftError
from serve.middleware.problems import problem

Result = TypeVar("Result")
_left: ContextVar[asyncio.Event | None] = ContextVar("left", default=None)


class RequestBody:
    """ASGI middleware that reads bodies with care, and notices when a client leaves.

    - A body of more than `limit` bytes is answered with 413. With a `Content-Length` above it
      nothing is read; without one the bytes are counted, so that no header needs to be believed.
    - A body that is not there after `seconds` is answered with 408: a client that stalls, or sends
      a byte at times, holds nothing for long.
    - A client that leaves after its body came is only noted: `while_present` is where a request
      may be given up. What has begun to change the gallery goes on and is recorded.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self.app, self.limit, self.seconds = app, limit, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        body = _Body(receive, send, self.limit, self.seconds)
        # A length of more than 20 digits is no number of bytes; the count decides anyway.
        body.too_large = length.isdecimal() and int(length[:20]) > self.limit
        token = _left.set(body.left)
        try:
            if not body.too_large:
                await self.app(scope, body.receive, body.send)
        finally:
            _left.reset(token)
            if body.watcher is not None:
                body.watcher.cancel()
                await asyncio.wait((body.watcher,))
        if not body.answered and (body.too_large or body.late):
            await self._refuse(scope, receive, send, late=body.late)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, late: bool) -> None:
        status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request.too_large"
        detail = f"the request body is larger than the {self.limit} bytes read here; "
        detail += "send shorter clips, or fewer of them"
        if late:
            status, code = HTTPStatus.REQUEST_TIMEOUT, "request.too_slow"
            detail = f"the request body was not there after {self.seconds:g} s; send it again"
        fields = {} if late else {"allowed": self.limit}
        close = {"Connection": "close"}
        response = problem(scope["state"]["request_id"], status, code, detail, close, fields)
        await response(scope, receive, send)


class _Body:
    """One body on its way, and the reply, kept back if the body did not come."""

    def __init__(self, receive: Receive, send: Send, limit: int, seconds: float) -> None:
        self._receive, self._send = receive, send
        self._limit, self._deadline = limit, time.monotonic() + seconds
        self._got = 0
        self.too_large = self.late = self.answered = False
        self.left = asyncio.Event()
        self.watcher: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self.watcher is not None:  # it reads from here on
            await self.left.wait()
        if self.too_large or self.late or self.watcher is not None:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.late = True
            return {"type": "http.disconnect"}
        self._got += len(message.get("body", b""))
        self.too_large = self._got > self._limit
        if not message.get("more_body"):
            self.watcher = asyncio.create_task(self._watch())
        return {"type": "http.disconnect"} if self.too_large else message

    async def send(self, message: Message) -> None:
        if (self.too_large or self.late) and not self.answered:
            return  # the app's complaint about the missing rest of the body
        self.answered = True
        await self._send(message)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left.set()


async def while_present(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled if the client leaves before it is done.

    Raises:
        ClientLeftError: the client left.
    """
    left = _left.get()
    if left is None:
        return await work
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left.wait())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError("the client left before its clip was embedded")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))
