"""Clip files are read in processes that are killed when a file costs too much.

A file may be made to be slow, and no look at it tells. So every file gets a moment at full
priority, which is enough for almost all clips. One that needs longer gives its place to a new
process, and so the next clip does not wait for it; its priority is lowered once it has used
processor time, and not because the machine is busy with something else. When too many are slow,
those of the clients that held workers longest of late wait and begin again later. Files of one
client, which may be an address shared by many people, each get their turn.
"""

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import RLock, Thread
from typing import Any, Final

from gait.errors import (
    BusyError,
    ClosingError,
    CorruptFileError,
    DeadlineError,
    DecoderLostError,
    GaitError,
    LimitExceededError,
    StorageError,
)
from serve.work.fair_share import Spending
from serve.work.metrics import Metrics
from serve.work.shared_memory import outcome, shared
from serve.work.workers import Worker, Workers, end_of

log = logging.getLogger("serve")
READ: Final = "gait.decode:decode_clip"
PROMPT: Final = 0.1
"""Seconds after which a file gives its place to others; of processor time, its priority too."""
SLOWEST: Final = 3
"""Times the allowed processor time that reading may take by the clock: it also waits for others."""
STUCK: Final = 5.0
"""Seconds after which reading is stuck if a new clip waited so long and none left its place."""
_REUSED: Final = 500
"""Files that a worker reads before it is replaced, so that no leak adds up."""
_TICK: Final = 0.1
_LINGERING: Final = 1.0
"""Seconds after a file in which the thread of a pool looks about every `_TICK` seconds, and so need
not be woken for the next; then it sleeps."""
_STOPPED: Final = 1.0
"""Seconds that a worker may be stopped by a signal; then another reads its file."""


@dataclass(frozen=True)
class Finished:
    """A file that was read: what was in it, and seconds without those it waited."""

    value: Any
    seconds: float


@dataclass(frozen=True)
class Allowed:
    """What reading may cost.

    Args:
        workers: files read at full priority at the same time.
        slow: files read at a low priority at the same time.
        seconds: of processor time for one file.
        memory: bytes for one file.
        waiting: files that may wait.
        patience: seconds from a file's arrival until it is given up.
        niceness: the lowest priority that a file gets, 19 at most.
        turn: seconds that a client may hold more than another that waits, or a file while another
            of its client has had no turn; doubled each time the file is put off.
        called: the setting that `seconds` comes from.
    """

    workers: int
    slow: int
    seconds: float
    memory: int
    waiting: int
    patience: float
    niceness: int = 19
    turn: float = 1.0
    called: str = "decode_seconds"


@dataclass(eq=False)
class _Task:
    client: str
    data: int
    arguments: Mapping[str, Any]
    arrived: float = field(default_factory=time.monotonic)
    result: "Future[Finished]" = field(default_factory=Future)
    slow: bool = False
    charged: float = 0.0
    postponed: int = 0

    def end(self, outcome: Finished | Exception | None = None) -> None:
        """Lets go of the file, and tells who waits for it; None if nobody does any more."""
        os.close(self.data)
        if self.result.done() or not self.result.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Finished):
            self.result.set_result(outcome)
        else:
            self.result.set_exception(outcome)


class DecodingPool:
    """Who is read next, and by which process. The first file starts them.

    Args:
        allowed: what reading may cost.
        metrics: told of what happens.
        read: `module:function` that reads, in the workers; it takes bytes and keyword arguments.
        what: is read, in the metrics.
    """

    def __init__(
        self, allowed: Allowed, metrics: Metrics, read: str = READ, what: str = "clips"
    ) -> None:
        self._allowed, self._metrics = allowed, metrics
        self._seconds = metrics.decode_seconds.labels(what)  # told as 0 before the first is read
        self._lock, self._spending = RLock(), Spending()
        self._workers = Workers(read, allowed.memory)
        self._waiting: list[_Task] = []
        self._reading: dict[Worker, _Task] = {}
        self._moved = time.monotonic()
        self._wakes = float("inf")
        self._thread: Thread | None = None
        self._closing = False
        metrics.decode_waiting.labels(what).set_function(lambda: len(self._waiting))
        metrics.decode_busy.labels(what, "slow").set_function(lambda: self._busy(slow=True))
        metrics.decode_busy.labels(what, "prompt").set_function(lambda: self._busy(slow=False))

    def start(self) -> None:
        """Starts the processes, if they are not there; does not wait for them."""
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = Thread(target=self._run, name="decoding", daemon=True)
                self._thread.start()

    def submit(self, data: bytes, arguments: Mapping[str, Any], client: str) -> "Future[Finished]":
        """A file to read. Cancelling the result gives it up, and kills who reads it.

        Args:
            data: the file.
            arguments: of what reads it; they are pickled.
            client: for whom; clients share the workers fairly.

        Raises:
            BusyError: too many files wait.
            ClosingError: the service is stopping.
            StorageError: there is no memory to pass the file on.
        """
        self.start()
        with self._lock:
            if self._closing:
                raise _closing()
            self._make_room(client)
            try:
                task = _Task(client, shared(data), arguments)
            except OSError as error:
                raise StorageError(f"no memory to pass the clip on ({error.strerror})") from error
            task.result.add_done_callback(self._on_done)
            self._waiting.append(task)
            self._hand_out()
            if self._wakes > time.monotonic() + _TICK:
                self._workers.wake()
        return task.result

    @property
    def stuck(self) -> bool:
        """Whether a new file waited for `STUCK` seconds, and no worker finished or put one off."""
        with self._lock:
            new = [task for task in [*self._waiting, *self._reading.values()] if not task.slow]
            oldest = min((task.arrived for task in new), default=float("inf"))
            return time.monotonic() - max(oldest, self._moved) > STUCK

    @property
    def processes(self) -> list[int]:
        """Ids of the processes that read."""
        with self._lock:
            return [each.pid for each in self._workers if each.pid is not None]

    def close(self) -> None:
        """Gives up what is being read and ends the processes, at once."""
        with self._lock:
            self._closing = True
        self._workers.wake()
        if self._thread is not None:
            self._thread.join()
        self._workers.close()

    def _run(self) -> None:
        timeout: float | None = 0.0
        while not self._closing:
            ready = self._workers.wait(timeout)
            with self._lock:
                for worker, status in self._workers.hear(ready):
                    if status is None:
                        self._finish(worker)
                    else:
                        self._on_end(worker, status)
                timeout = self._tick()
                self._wakes = float("inf") if timeout is None else time.monotonic() + timeout
        with self._lock:
            for task in [*self._waiting, *self._reading.values()]:
                task.end(_closing())

    def _tick(self) -> float | None:
        """Does what is due; the seconds until something may be due again, None for never."""
        self._drop_unwanted()
        for worker, task in list(self._reading.items()):
            if worker in self._reading:  # it may have made room for another
                self._watch(worker, task)
        forking = self._workers.is_forking()
        if forking:
            self._refill()
        self._hand_out()
        due = [PROMPT - worker.took() for worker in self._reading if not worker.slow]
        slow = any(worker.slow for worker in self._reading)
        lingers = time.monotonic() - self._moved < _LINGERING
        if self._waiting or not forking or slow or lingers:
            due.append(_TICK)
        return max(0.0, min(due)) if due else None

    # Who is read next

    def _make_room(self, client: str) -> None:
        free = max(0, self._allowed.workers - len(self._reading) + len(self._slow()))
        if len(self._waiting) < self._allowed.waiting + free:
            return
        error = BusyError("too many requests are waiting; try again in a second", retry_after=1)
        crowd = Counter(task.client for task in self._waiting)
        crowded, many = max(crowd.items(), key=lambda each: each[1], default=("", 0))
        if many <= crowd[client] + 1:
            raise error
        newest = max((t for t in self._waiting if t.client == crowded), key=lambda t: t.arrived)
        self._waiting.remove(newest)
        newest.end(error)

    def _hand_out(self) -> None:
        """Gives idle workers what waits, those first whose clients used least."""
        for worker in self._workers:
            waiting = self._prompt()
            if waiting and worker not in self._reading and not worker.gone:
                self._give(worker, waiting)

    def _refill(self) -> None:
        """Starts the workers that are missing, and goes on with slow files if there is room."""
        missing = self._allowed.workers - sum(not each.slow for each in self._workers)
        for _ in range(missing):
            self._workers.start(slow=False)
        while waiting := [task for task in self._waiting if task.slow]:
            room = len(self._slow()) < self._allowed.slow or self._make_room_for(
                self._next(waiting)
            )
            if not room or not self._give(self._workers.start(slow=True), waiting):
                return

    def _give(self, worker: Worker, waiting: list[_Task]) -> bool:
        task = self._next(waiting)
        if not worker.give(self._allowed.seconds, task.arguments, task.data):
            return False
        self._waiting.remove(task)
        self._reading[worker] = task
        task.charged = 0.0
        return True

    def _next(self, waiting: list[_Task]) -> _Task:
        spent = {task.client: self._spending.of(task.client) for task in waiting}
        return min(waiting, key=lambda each: (spent[each.client], each.postponed, each.arrived))

    def _watch(self, worker: Worker, task: _Task) -> None:
        self._charge(worker, task)
        if worker.took() > _STOPPED and worker.is_stopped():
            log.warning("somebody stopped a decoding process; it is replaced")
            self._waiting.append(self._kill(worker, "stopped"))
            return
        if worker.used() > self._allowed.seconds or worker.took() > SLOWEST * self._allowed.seconds:
            self._kill(worker, "time")
            task.end(self._too_long())
            return
        if not worker.slow and worker.took() > PROMPT:
            self._slow_down(worker, task)
        if worker.slow and worker in self._reading and worker.used() > PROMPT / 2:
            lower = 19 if worker.used() > 1.0 else 10
            self._workers.lower(worker, min(lower, self._allowed.niceness))

    def _slow_down(self, worker: Worker, task: _Task) -> None:
        task.slow = True
        self._moved = time.monotonic()
        if len(self._slow()) < self._allowed.slow or self._make_room_for(task):
            worker.slow = True
        else:
            self._postpone(worker)

    def _make_room_for(self, task: _Task) -> bool:
        """Puts off a slow file that held its place too long beside one that waits, if any did."""
        held = {worker: self._held_too_long(worker, task) for worker in self._slow()}
        hog = max(held, key=lambda worker: held[worker])
        if held[hog] <= 0:
            return False
        self._reading[hog].postponed += 1
        self._postpone(hog)
        return True

    def _held_too_long(self, worker: Worker, task: _Task) -> float:
        """Seconds that a worker was held beyond what is fair to a file that waits."""
        read = self._reading[worker]
        more = self._spending.of(read.client) - self._spending.of(task.client)
        if more >= 0 and not task.postponed:
            more = max(more, worker.took())
        return more - self._allowed.turn * (1 << read.postponed)

    def _postpone(self, worker: Worker) -> None:
        """Ends a worker, whose file is read again from its beginning later."""
        self._waiting.append(self._kill(worker, "postponed"))

    def _drop_unwanted(self) -> None:
        now = time.monotonic()
        for task in list(self._waiting):
            late = now - task.arrived > self._allowed.patience
            if late or task.result.done():
                self._waiting.remove(task)
                task.end(_too_late())
        for worker, task in list(self._reading.items()):
            if task.result.done():
                self._kill(worker, "client_left")
                task.end()
            elif worker.pid is None and now - task.arrived > self._allowed.patience:
                self._kill(worker, "stopped").end(_too_late())

    def _prompt(self) -> list[_Task]:
        return [each for each in self._waiting if not each.slow and not each.result.done()]

    def _slow(self) -> list[Worker]:
        return [each for each in self._reading if each.slow]

    # What becomes of a file

    def _finish(self, worker: Worker) -> None:
        task, seconds = self._reading.pop(worker), worker.took()
        self._charge(worker, task)
        self._moved = time.monotonic()
        self._seconds.observe(seconds)
        try:
            kind, value = outcome(worker.outcome)
        except ValueError as error:
            kind, value = "failed", str(error)
        worker.take_back()
        worker.done += 1
        if kind == "memory":
            self._metrics.decode_killed.labels("memory").inc()
            value = self._too_large()
        if worker.slow or worker.done >= _REUSED or kind in {"memory", "failed"}:
            self._workers.kill(worker)
        if kind == "result":
            task.end(Finished(value, seconds))
        elif isinstance(value, GaitError):
            task.end(value)
        else:
            task.end(RuntimeError(f"reading a clip failed: {value}"))

    def _on_end(self, worker: Worker, status: int) -> None:
        """A worker ended that was not told to."""
        task = self._reading.pop(worker, None)
        if task is None:
            return
        if worker.pid is None:  # it never began
            self._waiting.append(task)
            return
        late = status == -signal.SIGXCPU
        self._metrics.decode_killed.labels("time" if late else "crash").inc()
        if late:
            task.end(self._too_long())
        elif status == -signal.SIGKILL:
            task.end(
                DecoderLostError(
                    "the process that read the clip was ended from outside, perhaps for want of "
                    "memory; try again",
                    retry_after=1,
                )
            )
        else:
            task.end(
                CorruptFileError(
                    f"the clip cannot be read: its decoder {end_of(status)}; write the file anew, "
                    "or send another format"
                )
            )

    def _kill(self, worker: Worker, reason: str) -> _Task:
        self._metrics.decode_killed.labels(reason).inc()
        self._workers.kill(worker)
        return self._reading.pop(worker)

    def _charge(self, worker: Worker, task: _Task) -> None:
        took = worker.took()
        self._spending.add(task.client, took - task.charged)
        task.charged = took

    def _too_long(self) -> LimitExceededError:
        return LimitExceededError(
            f"the file took more than {self._allowed.seconds:g} seconds to read; send a shorter "
            "or smaller one",
            limit=self._allowed.called,
            allowed=self._allowed.seconds,
        )

    def _too_large(self) -> LimitExceededError:
        mib = self._allowed.memory >> 20
        return LimitExceededError(
            f"reading the file takes more than {mib} MiB of memory; send a shorter or smaller one",
            limit="decode_mib",
            allowed=mib,
        )

    def _busy(self, *, slow: bool) -> int:
        with self._lock:
            return sum(each.slow is slow for each in self._reading)

    def _on_done(self, result: "Future[Finished]") -> None:
        if result.cancelled():
            self._workers.wake()


def _closing() -> ClosingError:
    return ClosingError("the service is stopping; try again")


def _too_late() -> DeadlineError:
    return DeadlineError("too many clips wait to be read; try again later")
