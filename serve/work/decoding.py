"""Clip files are read in processes that are killed when a file costs too much.

A file may be made to be slow, and no look at it tells. So every file gets a moment at full
priority, which is enough for almost all clips. One that needs longer goes on at a low priority, its
place is given to a new process, and so the next clip does not wait for it. When too many are slow,
those of the clients that used most processor time of late wait and begin again later.
"""

import json
import logging
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
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
)
from serve.work.decoder_process import received
from serve.work.metrics import Metrics
from serve.work.shared_memory import outcome, shared
from serve.work.spending import Spending

log = logging.getLogger("serve")
READ: Final = "gait.decode:decode_clip"
PROMPT: Final = 0.1
"""Seconds that a file may take at full priority."""
SLOWEST: Final = 3
"""Times the allowed processor time that reading may take by the clock: it also waits for others."""
STUCK: Final = 5.0
"""Seconds without a clip begun, though some wait, after which reading is said to be stuck."""
_REUSED: Final = 500
"""Files that a worker reads before it is replaced, so that no leak adds up."""
_TICK: Final = 0.1
_RESTART: Final = 1.0
"""Seconds between two attempts to start the forking process."""
_UNJUST: Final = 1.0
"""Seconds that a client must have used more than another to make room for it."""
_ALONE: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


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
    """

    workers: int
    slow: int
    seconds: float
    memory: int
    waiting: int
    patience: float


@dataclass(eq=False)
class _Task:
    client: str
    data: int
    arguments: Mapping[str, Any]
    arrived: float = field(default_factory=time.monotonic)
    result: "Future[Finished]" = field(default_factory=Future)
    slow: bool = False

    def close(self) -> None:
        if self.data >= 0:
            os.close(self.data)
            self.data = -1


@dataclass(eq=False)
class _Worker:
    number: int
    tasks: socket.socket
    slow: bool
    pid: int | None = None
    task: _Task | None = None
    outcome: int = -1
    began: float = 0.0
    cpu: float = 0.0
    charged: float = 0.0
    niceness: int = 0
    done: int = 0
    gone: bool = False

    def used(self) -> float:
        """Seconds of processor time of its task so far, of all its threads."""
        if self.pid is None:
            return 0.0
        with suppress(OSError):  # it has ended
            return time.clock_gettime((~self.pid << 3) | 2) - self.cpu  # clock_getcpuclockid(3)
        return self.charged

    def close(self) -> None:
        self.tasks.close()
        if self.outcome >= 0:
            os.close(self.outcome)
            self.outcome = -1


class DecodingPool:
    """Processes that read clip files, and who is read next. Started by the first file.

    Args:
        allowed: what reading may cost.
        metrics: told of what happens.
        read: `module:function` that reads, in the workers; it takes bytes and keyword arguments.
    """

    def __init__(self, allowed: Allowed, metrics: Metrics, read: str = READ) -> None:
        self._allowed, self._metrics, self._read = allowed, metrics, read
        self._lock, self._spending = RLock(), Spending()
        self._waiting: list[_Task] = []
        self._workers: dict[int, _Worker] = {}
        self._numbers = 0
        self._begun = time.monotonic()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._forking: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._started = 0.0
        self._thread: Thread | None = None
        self._closing = False

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
        """
        self.start()
        with self._lock:
            if self._closing:
                raise ClosingError("the service is stopping; try again")
            self._make_room(client)
            task = _Task(client, shared(data), arguments)
            task.result.add_done_callback(self._on_done)
            self._waiting.append(task)
            self._hand_out()
        self._awake()
        return task.result

    @property
    def stuck(self) -> bool:
        """Whether files wait, and none has been begun for `STUCK` seconds."""
        with self._lock:
            since = max([self._begun, *(task.arrived for task in self._prompt()[:1])])
            return bool(self._prompt()) and time.monotonic() - since > STUCK

    @property
    def processes(self) -> list[int]:
        """Ids of the workers' processes that are known by now."""
        with self._lock:
            return [each.pid for each in self._workers.values() if each.pid is not None]

    def close(self) -> None:
        """Gives up what is being read and ends the processes, at once."""
        with self._lock:
            self._closing = True
        self._awake()
        if self._thread is not None:
            self._thread.join()
        self._selector.close()
        os.close(self._wake)

    def _run(self) -> None:
        timeout: float | None = 0.0
        while not self._closing:
            ready = self._selector.select(timeout)
            with self._lock:
                for key, _ in ready:
                    self._on_ready(key)
                timeout = self._tick()
        with self._lock:
            error = ClosingError("the service is stopping; try again")
            for task in [*self._waiting, *(w.task for w in self._workers.values() if w.task)]:
                _fail(task, error)
            self._stop_forking()

    def _on_ready(self, key: selectors.SelectorKey) -> None:
        if key.fileobj == self._wake:
            os.eventfd_read(self._wake)
        elif key.fileobj is self._control:
            self._hear()
        elif (worker := self._workers.get(key.data)) is not None and worker.task is not None:
            if received(worker.tasks)[0]:
                self._finish(worker, worker.task)
            else:
                self._leave(worker)
        elif worker is not None:
            self._leave(worker)

    def _leave(self, worker: _Worker) -> None:
        """A worker has ended; how is heard from the forking process."""
        worker.gone = True
        self._selector.unregister(worker.tasks)

    def _tick(self) -> float | None:
        """Does what is due; the seconds until something may be due again, None for never."""
        self._drop_unwanted()
        if self._control is None and time.monotonic() - self._started > _RESTART:
            self._start_forking()
        for worker in [each for each in self._workers.values() if each.task is not None]:
            self._watch(worker)
        if self._control is not None:
            self._refill()
        self._hand_out()
        self._show()
        if self._control is None:
            return _RESTART
        prompt = [w.began + PROMPT - time.monotonic() for w in self._busy(slow=False)]
        slow = [_TICK] if self._waiting or self._busy(slow=True) else []
        return max(0.0, min([*prompt, *slow])) if prompt or slow else None

    # Who is read next

    def _make_room(self, client: str) -> None:
        free = max(0, self._allowed.workers - len(self._busy(slow=False)))
        if len(self._waiting) < self._allowed.waiting + free:
            return
        error = BusyError("too many requests are waiting; try again in a second", retry_after=1)
        crowd = Counter(task.client for task in self._waiting)
        crowded, many = max(crowd.items(), key=lambda each: each[1], default=("", 0))
        if many <= crowd[client] + 1:
            raise error
        newest = max((t for t in self._waiting if t.client == crowded), key=lambda t: t.arrived)
        self._waiting.remove(newest)
        _fail(newest, error)

    def _hand_out(self) -> None:
        """Gives idle workers what waits, those first whose clients used least."""
        for worker in self._idle():
            waiting = self._prompt()
            if waiting:
                self._give(worker, self._next(waiting))

    def _refill(self) -> None:
        """Starts the workers that are missing, and goes on with slow files if there is room."""
        missing = self._allowed.workers - sum(not each.slow for each in self._workers.values())
        for _ in range(missing):
            self._start_worker(slow=False)
        while len(self._busy(slow=True)) < self._allowed.slow:
            waiting = [task for task in self._waiting if task.slow]
            if not waiting or self._control is None:
                return
            self._give(self._start_worker(slow=True), self._next(waiting))

    def _watch(self, worker: _Worker) -> None:
        task, used = worker.task, worker.used()
        assert task is not None
        self._charge(worker, used)
        took = time.monotonic() - worker.began
        if used > self._allowed.seconds or took > SLOWEST * self._allowed.seconds:
            self._end(worker, "time", self._too_long())
            return
        if not worker.slow and took > PROMPT:
            self._slow_down(worker, task)
        if worker.slow:
            self._lower(worker, 19 if used > 1.0 else 10)

    def _slow_down(self, worker: _Worker, task: _Task) -> None:
        task.slow = True
        slow = self._busy(slow=True)
        if len(slow) >= self._allowed.slow:
            hog = max(slow, key=lambda w: self._spending.of(w.task.client if w.task else ""))
            assert hog.task is not None
            theirs, ours = (self._spending.of(each.client) for each in (hog.task, task))
            if theirs < ours + _UNJUST:
                self._postpone(worker)
                return
            self._postpone(hog)
        worker.slow = True

    def _postpone(self, worker: _Worker) -> None:
        """Ends a worker, whose file is read again from its beginning later."""
        task = worker.task
        assert task is not None
        self._kill(worker, "postponed")
        self._waiting.append(task)

    def _drop_unwanted(self) -> None:
        now = time.monotonic()
        task: _Task | None
        for task in list(self._waiting):
            if not task.result.done() and now - task.arrived > self._allowed.patience:
                _fail(task, DeadlineError("too many clips wait to be read; try again later"))
            if task.result.done():
                self._waiting.remove(task)
                task.close()
        for worker in self._busy():
            task = worker.task
            if task is not None and task.result.done():
                self._kill(worker, "client_left")
                task.close()

    def _next(self, waiting: list[_Task]) -> _Task:
        task = min(waiting, key=lambda each: (self._spending.of(each.client), each.arrived))
        self._waiting.remove(task)
        return task

    def _prompt(self) -> list[_Task]:
        return [each for each in self._waiting if not each.slow and not each.result.done()]

    def _idle(self) -> list[_Worker]:
        return [each for each in self._workers.values() if each.task is None and not each.gone]

    def _busy(self, *, slow: bool | None = None) -> list[_Worker]:
        busy = [each for each in self._workers.values() if each.task is not None]
        return busy if slow is None else [each for each in busy if each.slow is slow]

    # What becomes of a file

    def _give(self, worker: _Worker, task: _Task) -> None:
        worker.task, worker.began = task, time.monotonic()
        worker.cpu, worker.charged = 0.0, 0.0
        worker.cpu = worker.used()
        worker.outcome = os.memfd_create("outcome", os.MFD_CLOEXEC)
        message = pickle.dumps((self._allowed.seconds, dict(task.arguments)))
        if not task.slow:
            self._begun = worker.began
        try:
            socket.send_fds(worker.tasks, [message], [task.data, worker.outcome])
        except OSError:  # it ended just now
            os.close(worker.outcome)
            worker.task, worker.outcome, worker.gone = None, -1, True
            self._waiting.append(task)

    def _finish(self, worker: _Worker, task: _Task) -> None:
        took = time.monotonic() - worker.began
        self._charge(worker, worker.used())
        self._metrics.decode_seconds.observe(took)
        try:
            kind, value = outcome(worker.outcome)
        except ValueError as error:
            kind, value = "failed", str(error)
        if kind == "memory":
            self._end(worker, "memory", self._too_large())
            return
        os.close(worker.outcome)
        worker.task, worker.outcome, worker.done = None, -1, worker.done + 1
        if worker.slow or worker.done >= _REUSED or kind == "failed":
            self._kill(worker)
        if kind == "result":
            _settle(task, Finished(value, took))
        else:
            known = kind == "error" and isinstance(value, GaitError)
            _fail(task, value if known else RuntimeError(f"reading a clip failed: {value}"))

    def _end(self, worker: _Worker, reason: str, error: GaitError) -> None:
        task = worker.task
        assert task is not None
        self._kill(worker, reason)
        _fail(task, error)

    def _kill(self, worker: _Worker, reason: str = "") -> None:
        if reason:
            self._metrics.decode_killed.labels(reason).inc()
        self._say("kill", worker.number)
        self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        with suppress(KeyError):
            self._selector.unregister(worker.tasks)
        worker.task = None
        worker.close()
        del self._workers[worker.number]

    def _charge(self, worker: _Worker, used: float) -> None:
        if worker.task is not None and used > worker.charged:
            self._spending.add(worker.task.client, used - worker.charged)
            worker.charged = used

    def _too_long(self) -> LimitExceededError:
        return LimitExceededError(
            f"the clip took more than {self._allowed.seconds:g} seconds to read; send a shorter "
            "or smaller one",
            limit="decode_seconds",
            allowed=self._allowed.seconds,
        )

    def _too_large(self) -> LimitExceededError:
        mib = self._allowed.memory >> 20
        return LimitExceededError(
            f"reading the clip takes more than {mib} MiB of memory; send a shorter or smaller one",
            limit="decode_mib",
            allowed=mib,
        )

    # The processes

    def _start_forking(self) -> None:
        self._started = time.monotonic()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._forking = subprocess.Popen(
                [sys.executable, "-m", "serve.work.decoder_process", str(theirs.fileno()),
                 self._read, str(self._allowed.memory)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | _ALONE,
            )  # fmt: skip
        self._selector.register(self._control, selectors.EVENT_READ)

    def _stop_forking(self) -> None:
        """Ends the forking process, which takes its workers along, and waits for it."""
        for worker in list(self._workers.values()):
            self._forget(worker)
        if self._control is not None:
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
        if self._forking is not None:
            try:
                self._forking.wait(timeout=2)
            except subprocess.TimeoutExpired:  # it still imports, or was stopped
                self._forking.kill()
                self._forking.wait()
            self._forking = None

    def _start_worker(self, *, slow: bool) -> _Worker:
        assert self._control is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._numbers += 1
        worker = _Worker(self._numbers, ours, slow)
        self._workers[worker.number] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker.number)
        with theirs, suppress(OSError):  # the forking process has ended, which is heard next
            order = json.dumps(["start", worker.number]).encode()
            socket.send_fds(self._control, [order], [theirs.fileno()])
        return worker

    def _hear(self) -> None:
        assert self._control is not None
        message, _ = received(self._control)
        if not message:
            self._lost()
            return
        what, number, value = json.loads(message)
        worker = self._workers.get(number)
        if worker is None:  # killed, and replaced already
            return
        if what == "started":
            worker.pid = value
        else:
            self._on_end(worker, value)

    def _on_end(self, worker: _Worker, status: int) -> None:
        """A worker ended that was not told to."""
        task = worker.task
        log.warning("a decoding process ended (%s), it is replaced", _end_of(status))
        self._forget(worker)
        if task is None:
            return
        late = status == -signal.SIGXCPU
        self._metrics.decode_killed.labels("time" if late else "crash").inc()
        if late:
            _fail(task, self._too_long())
        elif status == -signal.SIGKILL:
            _fail(task, _lost_error())
        else:
            _fail(task, CorruptFileError(f"the clip cannot be read: its decoder {_end_of(status)}; "
                                         "write the file anew, or send another format"))  # fmt: skip

    def _lost(self) -> None:
        log.error("the process that forks the decoding processes ended, it is started again")
        tasks = [each.task for each in self._workers.values() if each.task is not None]
        self._stop_forking()
        for task in tasks:
            self._metrics.decode_killed.labels("crash").inc()
            _fail(task, _lost_error())

    def _lower(self, worker: _Worker, niceness: int) -> None:
        if worker.niceness != niceness:
            worker.niceness = niceness
            self._say("nice", worker.number, niceness)

    def _say(self, *message: str | int) -> None:
        if self._control is not None:
            with suppress(OSError):  # the forking process has ended, which is heard next
                self._control.send(json.dumps(message).encode())

    def _show(self) -> None:
        busy = self._metrics.decode_busy
        for name, slow in (("prompt", False), ("slow", True)):
            busy.labels(name).set(len(self._busy(slow=slow)))
        self._metrics.decode_waiting.set(len(self._waiting))

    def _on_done(self, result: "Future[Finished]") -> None:
        if result.cancelled():
            self._awake()

    def _awake(self) -> None:
        with suppress(OSError):  # closed
            os.eventfd_write(self._wake, 1)


def _settle(task: _Task, result: Finished) -> None:
    if not task.result.done() and task.result.set_running_or_notify_cancel():
        task.result.set_result(result)
    task.close()


def _fail(task: _Task, error: Exception) -> None:
    if not task.result.done() and task.result.set_running_or_notify_cancel():
        task.result.set_exception(error)
    task.close()


def _end_of(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"


def _lost_error() -> DecoderLostError:
    return DecoderLostError(
        "the process that read the clip was ended from outside, perhaps for want of memory; try "
        "again",
        retry_after=1,
    )
