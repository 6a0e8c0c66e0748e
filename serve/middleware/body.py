"""Request bodies: counted and timed while they arrive; then whether the client is still there.

They stay in memory, all together within a limit, and no part of them is written to a file.
"""

import asyncio
import re
import time
from collections.abc import Coroutine
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import ClientLeftError
from serve.access.scopes import LOCAL
from serve.middleware.problems import problem

Result = TypeVar("Result")
_body: "ContextVar[_Body | None]" = ContextVar("body", default=None)
_client: ContextVar[str] = ContextVar("client", default="")
_PAUSE = 1.0
"""Seconds without a byte after which an unfinished body makes room for others."""
MultiPartParser.spool_max_size = 0  # never to a file
_CHARSET = re.compile(r"((?!charset).)*(charset=\"?utf-?8\"?(;((?!charset).)*)?)?", re.DOTALL)
OTHERS = 1 << 16
"""Bytes of a body that is no multipart form: only there are files, and the rest is parsed whole."""


class RequestBody:
    """ASGI middleware that reads bodies with care, and notices when a client leaves.

    - A body of more than `limit` bytes, or than `OTHERS` if it is no multipart form, is answered
      with 413. With a `Content-Length` above it
      nothing is read; without one the bytes are counted, so that no header needs to be believed.
    - A body in another charset than UTF-8 is answered with 400. Of those that Python knows, some
      take minutes for a megabyte.
    - A body that is not there after `seconds` is answered with 408: a client that stalls, or sends
      a byte at times, holds nothing for long.
    - All bodies together hold no more than `room`. One that finds no room ends the unfinished body
      that has paused longest, or else is itself answered with 503.
    - A client that leaves after its body came is only noted: `while_present` is where a request
      may be given up. What has begun to change the gallery goes on and is recorded.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float, room: int) -> None:
        self.app, self.limit, self.seconds = app, limit, seconds
        self.room = _Room(room)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length, form = headers.get("content-length", ""), headers.get("content-type", "").lower()
        limit = self.limit if form.startswith("multipart/") else min(OTHERS, self.limit)
        body = _Body(receive, send, limit, self.seconds, self.room)
        # A length of more than 20 digits is no number of bytes; the count decides anyway.
        if length.isdecimal() and int(length[:20]) > limit:
            body.refusal = _TOO_LARGE
        elif not _CHARSET.fullmatch(form):
            body.refusal = _MALFORMED
        tokens = _body.set(body), _client.set(_name(scope))
        try:
            if body.refusal is None:
                await self.app(scope, body.receive, body.send)
        finally:
            _body.reset(tokens[0])
            _client.reset(tokens[1])
            self.room.leave(body)
            if body.watcher is not None:
                body.watcher.cancel()
                await asyncio.wait((body.watcher,))
        if not body.answered and body.refusal is not None:
            await self._refuse(scope, receive, send, body.refusal, limit)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, why: str, limit: int
    ) -> None:
        fields, headers = {}, {"Connection": "close"}
        if why == _TOO_LARGE:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            advice = "send shorter clips, or fewer of them"
            if limit < self.limit:
                advice = "only a multipart form may be larger"
            detail = f"the request body is larger than the {limit} bytes read here; {advice}"
            fields = {"allowed": limit}
        elif why == _MALFORMED:
            status = HTTPStatus.BAD_REQUEST
            detail = "bodies are read as UTF-8: leave the charset out of Content-Type"
        elif why == _TOO_SLOW:
            status = HTTPStatus.REQUEST_TIMEOUT
            detail = f"the request body was not there after {self.seconds:g} s; send it again"
        else:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            detail = "the service has no memory left for this request body; send it again"
            fields, headers["Retry-After"] = {"retry_after": 1}, "1"
        response = problem(scope["state"]["request_id"], status, why, detail, headers, fields)
        await response(scope, receive, send)


_TOO_LARGE, _TOO_SLOW, _NO_ROOM = "request.too_large", "request.too_slow", "request.no_room"
_MALFORMED = "request.malformed"


class _Body:
    """One body on its way, and the reply, kept back if the body did not come.

    Attributes:
        refusal: why it is not read on.
        got: bytes of it that are held.
        last: when the last of them came.
        present: work that is given up when the client leaves.
    """

    def __init__(
        self, receive: Receive, send: Send, limit: int, seconds: float, room: "_Room"
    ) -> None:
        self._receive, self._send = receive, send
        self._limit, self._room = limit, room
        self.last = time.monotonic()
        self._deadline = self.last + seconds
        self._timeout: asyncio.Timeout | None = None
        self.got = 0
        self.refusal: str | None = None
        self.answered = False
        self.present = set[asyncio.Timeout]()
        self.left = asyncio.Event()
        self.watcher: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self.watcher is not None:  # it reads from here on
            await self.left.wait()
        if self.refusal is not None or self.watcher is not None:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()) as self._timeout:
                message = await self._receive()
        except TimeoutError:
            self.refusal = self.refusal or _TOO_SLOW
            return {"type": "http.disconnect"}
        finally:
            self._timeout = None
        self._count(len(message.get("body", b"")))
        if not message.get("more_body"):
            self._room.finished(self)
            self.watcher = asyncio.create_task(self._watch())
        return message if self.refusal is None else {"type": "http.disconnect"}

    def end(self) -> None:
        """Makes room for others; called while it is waited for."""
        self.refusal = _NO_ROOM
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def _count(self, size: int) -> None:
        if self.got + size > self._limit:
            self.refusal = self.refusal or _TOO_LARGE
        elif not self._room.take(self, size):
            self.refusal = self.refusal or _NO_ROOM

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self.answered:
            return  # the app's complaint about the missing rest of the body
        self.answered = True
        await self._send(message)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left.set()
        for work in self.present:
            work.reschedule(asyncio.get_running_loop().time())


class _Room:
    """Memory for all bodies together."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._arriving: set[_Body] = set()

    def take(self, body: _Body, size: int) -> bool:
        """Takes room for more of a body, from one that stalls if there is no other; or does not."""
        now = time.monotonic()
        while size > self._free:
            stalled = [each for each in self._arriving - {body} if now - each.last > _PAUSE]
            if not stalled:
                return False
            longest = min(stalled, key=lambda each: each.last)
            longest.end()
            self.leave(longest)
        self._free -= size
        body.got, body.last = body.got + size, now
        self._arriving.add(body)
        return True

    def finished(self, body: _Body) -> None:
        """A whole body is there; it keeps its room until it is answered."""
        self._arriving.discard(body)

    def leave(self, body: _Body) -> None:
        """A body is held no longer."""
        self._arriving.discard(body)
        self._free += body.got
        body.got = 0


def _name(scope: Scope) -> str:
    """Who sends a request: the id of the key, or the address where there are no keys."""
    caller = scope["state"].get("caller", LOCAL)
    address: str = (scope.get("client") or ("unknown", 0))[0]
    return address if caller is LOCAL else str(caller.key_id)


def client() -> str:
    """Who sent the request that is being answered."""
    return _client.get()


async def while_present(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled if the client leaves before it is done.

    Raises:
        ClientLeftError: the client left.
    """
    body = _body.get()
    if body is None:
        return await work
    limit = asyncio.timeout(0 if body.left.is_set() else None)
    body.present.add(limit)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():  # of the work itself
            raise
        raise ClientLeftError("the client left before its clip was read and embedded") from error
    finally:
        body.present.remove(limit)
