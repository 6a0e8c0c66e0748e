"""The processes that read clip files: one that forks, and the workers that it forks.

python -m serve.work.decoder_process CONTROL READ MEMORY    # `serve.work.decoding` starts it

The forking process imports the decoders once, so that a worker starts within milliseconds. It alone
knows the workers' process ids until it has reaped them, so it alone kills them and lowers their
priority. It ends when the service does, whatever the reason, and takes its workers along.
"""

import array
import ctypes
import json
import os
import pickle
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from gait.errors import GaitError, StorageError
from serve.work.shared_memory import write_outcome

Read = Callable[..., Any]
LARGEST_ORDER: Final = 65536
"""Bytes of one message between the processes; clips and results pass in shared memory."""
_PARENT_DEATH: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_libc = ctypes.CDLL(None)


class Forking:
    """The forking process: starts, kills and reaps workers as it is told over a socket.

    Messages are JSON lists. It gets `["start", number]` with the worker's socket, `["kill",
    number]` and `["nice", number, niceness]`; it sends `["started", number, pid]` and `["ended",
    number, status]`, where a negative status is the signal that ended the worker.

    Args:
        control: its socket.
        read: called in the workers with a file's bytes and the keyword arguments of the task.
        memory: bytes a worker may take beyond what it has at its start.
    """

    def __init__(self, control: socket.socket, read: Read, memory: int) -> None:
        self._control, self._read, self._memory = control, read, memory
        self._workers: dict[int, int] = {}

    def run(self) -> None:
        """Works until the other end of the socket is closed."""
        ended, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()  # select(2) takes no handle above 1,023
        for handle in (self._control.fileno(), ended):
            poll.register(handle, select.POLLIN)
        while True:
            ready = {handle for handle, _ in poll.poll()}
            if ended in ready:
                os.read(ended, LARGEST_ORDER)
            self._reap()
            if self._control.fileno() in ready and not self._obey():
                break
        for pid in self._workers.values():
            os.kill(pid, signal.SIGKILL)
        while self._workers:
            self._ended(*os.waitpid(-1, 0))

    def _obey(self) -> bool:
        message, handles = received(self._control)
        if not message:
            return False
        order, number, *rest = json.loads(message)
        if order == "start":
            self._start(number, socket.socket(fileno=handles[0]))
        elif (pid := self._workers.get(number)) is not None:
            if order == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                _lower(pid, *rest)
        return True

    def _start(self, number: int, tasks: socket.socket) -> None:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                self._control.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                work(tasks, self._read, self._memory)
                status = 0
            finally:
                os._exit(status)
        tasks.close()
        self._workers[number] = pid
        self._say("started", number, pid)

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        number = next(number for number, each in self._workers.items() if each == pid)
        del self._workers[number]
        self._say("ended", number, os.waitstatus_to_exitcode(status))

    def _say(self, *message: str | int) -> None:
        with suppress(OSError):  # the service has gone, which `_obey` notices
            self._control.send(json.dumps(message).encode())


def work(tasks: socket.socket, read: Read, memory: int) -> None:
    """The worker: reads one file after the other until the other end of the socket is closed.

    A task is a pickled `(seconds, arguments)` with two handles of shared memory: the file, and
    where its outcome goes: `result`, `error`, `memory` or `failed` and the value. One byte says
    that it is there.

    Args:
        tasks: its socket.
        read: what reads the files.
        memory: bytes it may take beyond what it has now.
    """
    _libc.prctl(_PARENT_DEATH, signal.SIGKILL)
    with suppress(OSError):  # the kernel, short of memory, should end this before the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _data_bytes() + memory
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    while True:
        message, handles = received(tasks)
        if not message:
            return
        given, outcome = handles
        seconds, arguments = pickle.loads(message)  # noqa: S301 - the service's own
        _limit_cpu(seconds)
        data = os.pread(given, os.fstat(given).st_size, 0)
        _tell(outcome, read, data, arguments)
        del data
        for handle in handles:
            os.close(handle)
        tasks.send(b".")


def _tell(outcome: int, read: Read, data: bytes, arguments: dict[str, Any]) -> None:
    try:
        value = read(data, **arguments)
        try:
            write_outcome(outcome, "result", value)
        except OSError as error:  # memory has limits like those of files
            raise StorageError(f"no memory to pass the clip back ({error.strerror})") from error
    except GaitError as error:
        write_outcome(outcome, "error", error)
    except MemoryError:
        write_outcome(outcome, "memory", None)
    except Exception:  # noqa: BLE001 - the border of the process: the service logs it
        write_outcome(outcome, "failed", traceback.format_exc())


def _limit_cpu(seconds: float) -> None:
    """Lets the kernel end this process if the service does not do so in time."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 2, hard))


def _data_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("VmData:"))
    return int(size) << 10


def _lower(pid: int, niceness: int) -> None:
    """Lowers the priority of a process; Linux keeps it for each thread, and a new one inherits."""
    with suppress(OSError):  # it has just ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            now = os.getpriority(os.PRIO_PROCESS, int(thread.name))
            os.setpriority(os.PRIO_PROCESS, int(thread.name), max(now, niceness))


def received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One message and the handles sent with it; empty once the other end is closed."""
    space = socket.CMSG_SPACE(2 * array.array("i").itemsize)
    try:
        message, extra, _, _ = connection.recvmsg(LARGEST_ORDER, space, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return b"", []
    handles = array.array("i")
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            handles.frombytes(data[: len(data) - len(data) % handles.itemsize])
    return message, list(handles)


def main(arguments: Sequence[str]) -> None:
    """Loads what reads and forks until the service ends."""
    control, read, memory = arguments
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all; the service ends this by itself
        signal.signal(number, signal.SIG_IGN)
    module, _, name = read.partition(":")
    connection = socket.socket(fileno=int(control))
    connection.set_inheritable(False)
    Forking(connection, getattr(import_module(module), name), int(memory)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
