"""Whether the client is still there, so that nobody is worked for who has left."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import ClientLeftError

Result = TypeVar("Result")
_left: ContextVar[asyncio.Event | None] = ContextVar("left", default=None)


class Presence:
    """ASGI middleware that notices when the client of a request leaves.

    It only tells: `while_present` is where a request may be given up. What has begun to change the
    gallery goes on and is recorded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        left, watching = asyncio.Event(), asyncio.Event()
        token = _left.set(left)

        async def watch() -> None:
            await watching.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        async def body() -> Message:
            if watching.is_set():  # the watcher reads from here on
                await left.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if not message.get("more_body"):
                watching.set()
            return message

        watcher = asyncio.create_task(watch())
        try:
            await self.app(scope, body, send)
        finally:
            _left.reset(token)
            watcher.cancel()
            await asyncio.wait((watcher,))


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
