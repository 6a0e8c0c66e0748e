"""Tasks of an event loop in threads: how many, whose the errors are, and what is not begun."""

import asyncio
import gc
import threading
import weakref

import pytest

from gait.errors import BusyError
from serve.work.threads import Threads

pytestmark = pytest.mark.serving


def test_results_and_errors_are_those_of_the_task() -> None:
    async def both(threads: Threads) -> None:
        assert await threads.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        assert await threads.run(threading.current_thread) is not threading.main_thread()

    threads = Threads(1, waiting=0)
    asyncio.run(both(threads))
    threads.close()


def test_who_would_wait_behind_too_many_is_refused_and_who_left_is_forgotten() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        assert go.wait(20)
        done.append("first")

    async def crowd(threads: Threads) -> None:
        running = asyncio.ensure_future(threads.run(first))
        assert await asyncio.to_thread(begun.wait, 20)
        waiting = asyncio.ensure_future(threads.run(lambda: done.append("left")))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await threads.run(lambda: None)
        waiting.cancel()
        await asyncio.wait((waiting,))
        follows = asyncio.ensure_future(threads.run(lambda: done.append("next")))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(running, follows)

    threads = Threads(1, waiting=1)
    asyncio.run(crowd(threads))
    threads.close()
    assert done == ["first", "next"]


def test_closed_threads_end() -> None:
    threads = Threads(3, waiting=0)
    assert all(thread.is_alive() for thread in threads._threads)
    threads.close()
    for thread in threads._threads:
        thread.join(20)
        assert not thread.is_alive()


def test_who_left_while_it_ran_takes_its_place_until_it_has_ended() -> None:
    begun, go, done = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        assert go.wait(20)
        done.append("first")

    async def leave(threads: Threads) -> None:
        running = asyncio.ensure_future(threads.run(first))
        assert await asyncio.to_thread(begun.wait, 20)
        running.cancel()
        await asyncio.wait((running,))
        with pytest.raises(BusyError):
            await threads.run(lambda: None)
        go.set()
        while not done:
            await asyncio.sleep(0.01)
        for _ in range(2000):
            try:
                assert await threads.run(lambda: 7) == 7
            except BusyError:
                await asyncio.sleep(0.01)
            else:
                return
        raise AssertionError("its place was not freed")

    threads = Threads(1, waiting=0)
    asyncio.run(leave(threads))
    threads.close()


def test_what_was_left_before_it_began_is_not_kept() -> None:
    class Clip:
        """Something large."""

    begun, go = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go.wait(20)

    async def leave(threads: Threads) -> None:
        running = asyncio.ensure_future(threads.run(first))
        assert await asyncio.to_thread(begun.wait, 20)
        clip = Clip()
        kept = weakref.ref(clip)
        waiting = asyncio.ensure_future(threads.run(lambda held=clip: held))  # type: ignore[misc]
        del clip
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((waiting,))
        del waiting
        gc.collect()
        assert kept() is None
        go.set()
        await running

    threads = Threads(1, waiting=1)
    asyncio.run(leave(threads))
    threads.close()
