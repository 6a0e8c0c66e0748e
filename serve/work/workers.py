"""The decoding processes as the service sees them: started, given a file, watched and killed."""

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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from serve.work.decoder_process import received

log = logging.getLogger("serve")
_RESTART: Final = 1.0
"""Seconds between two attempts to start the forking process."""
_SILENT: Final = 30.0
"""Seconds for which a worker may be ordered in vain before the forking process is replaced."""
_ENVIRONMENT: Final = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")},
    # Memory that glibc keeps for the next clip: the kernel takes long to clear it anew.
    **{f"MALLOC_{name}_THRESHOLD_": str(64 << 20) for name in ("TRIM", "MMAP")},
}


@dataclass(eq=False)
class Worker:
    """One process.

    Args:
        number: names it; unlike a process id it is never used again.
        tasks: socket to it.
        slow: it reads at a low priority.
        pid: once it is known to have started.
        started: when that was, and before when it was ordered.
        outcome: handle of the shared memory for what it reads now.
        began: when it was given its file.
        done: files it has read.
        niceness: its priority.
        gone: it has ended, and how is not known yet.
    """

    number: int
    tasks: socket.socket
    slow: bool
    pid: int | None = None
    started: float = field(default_factory=time.monotonic)
    outcome: int = -1
    began: float = 0.0
    done: int = 0
    niceness: int = 0
    gone: bool = False
    _before: float = field(default=0.0, init=False)

    def give(self, seconds: float, arguments: Mapping[str, Any], data: int) -> bool:
        """Sends it a file; says whether it took it.

        Args:
            seconds: of processor time, after which the kernel ends the process.
            arguments: of what reads.
            data: handle of the file.
        """
        self._before = self._clock()
        self.began = time.monotonic()
        self.outcome = os.memfd_create("outcome", os.MFD_CLOEXEC)
        try:
            message = pickle.dumps((seconds, dict(arguments)))
            socket.send_fds(self.tasks, [message], [data, self.outcome])
        except OSError:  # it ended just now
            self.gone = True
            self.take_back()
        return not self.gone

    def take_back(self) -> None:
        """Closes what the outcome was written to."""
        if self.outcome >= 0:
            os.close(self.outcome)
            self.outcome = -1

    def used(self) -> float:
        """Seconds of processor time, of all its threads, since it was given its file."""
        return max(0.0, self._clock() - self._before)

    def took(self) -> float:
        """Seconds by the clock since then, of those in which it was there."""
        return 0.0 if self.pid is None else time.monotonic() - max(self.began, self.started)

    def is_stopped(self) -> bool:
        """Whether a signal keeps it from running."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2]
        except OSError:  # it has ended
            return False
        return state.split()[0] in {"T", "t"}

    def _clock(self) -> float:
        if self.pid is not None:
            with suppress(OSError):  # it has ended
                return time.clock_gettime((~self.pid << 3) | 2)  # as clock_getcpuclockid(3) has it
        return 0.0


Ready = list[selectors.SelectorKey]


class Workers:
    """The processes, and the one that forks them, which is started again if it ends.

    All but `wait` and `wake` are called by one thread at a time.

    Args:
        read: `module:function` that reads.
        memory: bytes that reading one file may take.
    """

    def __init__(self, read: str, memory: int) -> None:
        self._read, self._memory = read, memory
        self._every: dict[int, Worker] = {}
        self._numbers = 0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._forking: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._started = float("-inf")

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._every.values()))

    def wake(self) -> None:
        """Makes `wait` return; callable from any thread."""
        with suppress(OSError):  # closed
            os.eventfd_write(self._wake, 1)

    def wait(self, timeout: float | None) -> Ready:
        """Waits until there is something to hear, for so many seconds."""
        return [key for key, _ in self._selector.select(timeout)]

    def hear(self, ready: Ready) -> Iterator[tuple[Worker, int | None]]:
        """What happened: a worker and None if its outcome is there, else how it ended.

        A worker that ended is forgotten before it is told. A negative status is a signal.
        """
        for key in ready:
            worker = self._every.get(key.data) if key.data is not None else None
            if key.fileobj == self._wake:
                os.eventfd_read(self._wake)
            elif key.fileobj is self._control:
                yield from self._hear_forking()
            elif worker is not None and worker.outcome >= 0 and received(worker.tasks)[0]:
                yield worker, None
            elif worker is not None:  # its end; how is heard from the forking process
                worker.gone = True
                self._selector.unregister(worker.tasks)

    def is_forking(self) -> bool:
        """Whether workers can be started; tries to make it so."""
        now = time.monotonic()
        if self._control is None and now - self._started > _RESTART:
            self._start_forking()
        elif any(each.pid is None and now - each.started > _SILENT for each in self):
            self._kill_forking()
        return self._control is not None

    def start(self, *, slow: bool) -> Worker:
        """A new worker, which may be given a file at once."""
        assert self._control is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._numbers += 1
        worker = self._every[self._numbers] = Worker(self._numbers, ours, slow)
        self._selector.register(ours, selectors.EVENT_READ, worker.number)
        with theirs, suppress(OSError):  # the forking process has ended, which is heard next
            order = json.dumps(["start", worker.number]).encode()
            socket.send_fds(self._control, [order], [theirs.fileno()])
        return worker

    def kill(self, worker: Worker) -> None:
        """Ends a worker, whatever it does; it is forgotten at once."""
        self._say("kill", worker.number)
        self._forget(worker)

    def lower(self, worker: Worker, niceness: int) -> None:
        """Lowers a worker's priority."""
        if worker.niceness != niceness:
            worker.niceness = niceness
            self._say("nice", worker.number, niceness)

    def close(self) -> None:
        """Ends all processes, at once."""
        self._stop_forking()
        self._selector.close()
        closed, self._wake = self._wake, -1  # a late `wake` must not write to what is opened next
        os.close(closed)

    def _hear_forking(self) -> Iterator[tuple[Worker, int | None]]:
        assert self._control is not None
        message, _ = received(self._control)
        if not message:
            log.error("the process that forks the decoding processes ended; another is started")
            lost = list(self)
            self._stop_forking()
            yield from ((worker, -signal.SIGKILL) for worker in lost)
            return
        what, number, value = json.loads(message)
        worker = self._every.get(number)
        if worker is None:  # killed before it was heard of
            return
        if what == "started":
            worker.pid, worker.started = value, time.monotonic()
        else:
            log.warning("a decoding process %s; another is started", end_of(value))
            self._forget(worker)
            yield worker, value

    def _start_forking(self) -> None:
        self._started = time.monotonic()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._forking = subprocess.Popen(
                [sys.executable, "-m", "serve.work.decoder_process", str(theirs.fileno()),
                 self._read, str(self._memory)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | _ENVIRONMENT,
            )  # fmt: skip
        self._selector.register(self._control, selectors.EVENT_READ)

    def _stop_forking(self) -> None:
        """Ends the forking process, which takes its workers along, and waits for it."""
        for worker in self:
            self._forget(worker)
        if self._control is None or self._forking is None:
            return
        self._selector.unregister(self._control)
        self._control.close()
        self._control = None
        try:
            self._forking.wait(timeout=_RESTART)
        except subprocess.TimeoutExpired:  # it still imports, or somebody stopped it
            self._kill_forking()

    def _kill_forking(self) -> None:
        if self._forking is not None:
            self._forking.kill()  # what follows is heard as if it had ended by itself
            self._forking.wait()

    def _forget(self, worker: Worker) -> None:
        with suppress(KeyError):
            self._selector.unregister(worker.tasks)
        worker.tasks.close()
        worker.take_back()
        del self._every[worker.number]

    def _say(self, *message: str | int) -> None:
        if self._control is not None:
            with suppress(OSError):  # the forking process has ended, which is heard next
                self._control.send(json.dumps(message).encode())


def end_of(status: int) -> str:
    """How a process ended, in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
