"""Threads in which requests do what takes a while, so that the event loop goes on meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar

from gait.errors import BusyError

Result = TypeVar("Result")


class Threads:
    """A few threads that take one task after another. No task keeps the process from ending.

    Args:
        count: tasks at the same time.
        waiting: tasks that may wait for a thread.
    """

    def __init__(self, count: int, waiting: int) -> None:
        self._room = BoundedSemaphore(count + waiting)
        self._tasks = SimpleQueue[_Task | None]()
        self._threads = [Thread(target=self._work, name="work", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    async def run(self, task: Callable[[], Result]) -> Result:
        """The result of a task. One that has begun goes on, and takes its place, if nobody waits
        for it any more; one that has not is forgotten.

        Raises:
            BusyError: too many tasks wait already.
        """
        if not self._room.acquire(blocking=False):
            raise BusyError("too many requests are waiting; try again in a second", retry_after=1)
        given = _Task(task)
        given.ended.add_done_callback(lambda _: self._room.release())
        self._tasks.put(given)
        result: Result = await asyncio.wrap_future(given.ended)
        return result

    def close(self) -> None:
        """Lets the threads end after what they were given; does not wait for them."""
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        while (given := self._tasks.get()) is not None:
            given.do()
            del given  # what it holds is not kept until the next one comes


class _Task:
    """Something to do, let go of once it is done or nobody wants it."""

    def __init__(self, task: Callable[[], Any]) -> None:
        held = self._held = [task]
        self.ended = Future[Any]()
        # It must not know this object: that were a cycle, which keeps the result.
        self.ended.add_done_callback(lambda _: held.clear())

    def do(self) -> None:
        task = next(iter(self._held), None)
        if task is None or not self.ended.set_running_or_notify_cancel():
            return
        try:
            self.ended.set_result(task())
        except BaseException as error:  # noqa: BLE001 - it is of whoever waits
            self.ended.set_exception(error)


def tell(ended: "asyncio.Future[Any]", say: Callable[[Any], None], what: object) -> None:
    """Ends what an event loop waits for, from another thread, if it still does."""

    def unless_cancelled() -> None:
        if not ended.done():
            say(what)

    with suppress(RuntimeError):  # the event loop has ended
        ended.get_loop().call_soon_threadsafe(unless_cancelled)
