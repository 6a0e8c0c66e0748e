"""Stopping without losing what has begun: new work is turned away while the rest is answered."""

import asyncio
import logging
import time
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import ClosingError
from serve.middleware.problems import gait_problem

log = logging.getLogger("serve")
RETRY = 5
"""Seconds after which a client that was turned away finds another instance, or this one again."""
WATCHED = frozenset({"/healthz", "/metrics"})
"""Paths that are still answered: the process lives, and whoever watches it may see it end."""


class Drain:
    """Whether the service is stopping, and how many requests it still answers."""

    def __init__(self) -> None:
        self.running = 0
        self._began: float | None = None

    @property
    def begun(self) -> bool:
        """Whether new work is turned away."""
        return self._began is not None

    def begin(self) -> None:
        """Turns new work away from now on. Safe in a signal handler."""
        if self._began is None:
            self._began = time.monotonic()

    def over(self, grace: float) -> bool:
        """Whether nothing runs any more, or what runs has had `grace` seconds."""
        if self._began is None:
            return False
        return not self.running or time.monotonic() - self._began >= grace


class Draining:
    """ASGI middleware that counts requests, and refuses them with 503 once the drain has begun.

    Those that have not ended when the grace is over get the same refusal.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self.app, self.drain = app, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in WATCHED:
            await self.app(scope, receive, send)
            return
        if self.drain.begun:
            await self._refuse(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        self.drain.running += 1
        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError:  # uvicorn's, once the grace is over
            if not started:
                await self._refuse(scope, receive, send)
        finally:
            self.drain.running -= 1

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = ClosingError("the service is stopping; try again", retry_after=RETRY)
        response = gait_problem(scope["state"]["request_id"], error)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


class Server(uvicorn.Server):
    """uvicorn, which at the first signal drains and only then stops listening.

    A second signal stops it without waiting for running requests.

    Args:
        config: of uvicorn.
        drain: of the application.
        grace: seconds that running requests get.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, grace: float) -> None:
        super().__init__(config)
        self._drain, self._grace = drain, grace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins the drain; called with each SIGTERM and SIGINT."""
        if self._drain.begun:
            super().handle_exit(sig, frame)
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        """Ends the server once the drain is over; called ten times a second."""
        if self._drain.over(self._grace):
            if self._drain.running:
                log.warning("%d requests did not end in time", self._drain.running)
            self.should_exit = True
        return await super().on_tick(counter)
