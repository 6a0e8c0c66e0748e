"""Threads in which requests do what takes a while, so that the event loop goes on meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from gait.errors import BusyError

Result = TypeVar("Result")
_Given = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Threads:
    """A few threads that take one task after another. No task keeps the process from ending.

    Args:
        count: tasks at the same time.
        waiting: tasks that may wait for a thread.
    """

    def __init__(self, count: int, waiting: int) -> None:
        self._most, self._held = count + waiting, 0
        self._tasks = SimpleQueue[_Given | None]()
        self._threads = [Thread(target=self._work, name="work", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    async def run(self, task: Callable[[], Result]) -> Result:
        """The result of a task. One that has begun goes on if nobody waits for it any more.

        Raises:
            BusyError: too many tasks wait already.
        """
        if self._held >= self._most:
            raise BusyError("too many requests are waiting; try again in a second", retry_after=1)
        ended: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._held += 1
        self._tasks.put((task, ended))
        try:
            return await ended
        finally:
            self._held -= 1

    def close(self) -> None:
        """Lets the threads end after what they were given; does not wait for them."""
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        while (given := self._tasks.get()) is not None:
            task, ended = given
            if ended.cancelled():
                continue
            try:
                tell(ended, ended.set_result, task())
            except BaseException as error:  # noqa: BLE001 - it is of whoever waits
                tell(ended, ended.set_exception, error)


def tell(ended: "asyncio.Future[Any]", say: Callable[[Any], None], what: object) -> None:
    """Ends what an event loop waits for, from another thread, if it still does."""

    def unless_cancelled() -> None:
        if not ended.done():
            say(what)

    with suppress(RuntimeError):  # the event loop has ended
        ended.get_loop().call_soon_threadsafe(unless_cancelled)
