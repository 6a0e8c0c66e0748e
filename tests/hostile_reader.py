"""What the decoding processes of tests read with: the file says what it does to its reader."""

import ctypes
import os
import resource
import signal
import time
from typing import Any

from gait.errors import CorruptFileError


def read(data: bytes, **arguments: Any) -> Any:
    """Does what the file says, and otherwise gives it back."""
    what, _, amount = data.partition(b" ")
    if what == b"spin":
        end = time.process_time() + float(amount)
        while time.process_time() < end:
            sum(range(1000))
    elif what == b"sleep":
        time.sleep(float(amount))
    elif what == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == b"stubborn":  # in C, where no exception gets through
        ctypes.PyDLL(None).sleep(int(amount))
    elif what == b"grow":
        return len(bytearray(int(amount)))
    elif what == b"full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        return bytes(1 << 20)
    elif what == b"refuse":
        raise CorruptFileError("this is no clip", allowed=7)
    elif what == b"fail":
        return 1 // 0
    elif what == b"cheat":
        return _Cheat()
    elif what == b"told":
        return sorted(arguments)
    return data


class _Cheat:
    """Would run a command where it is unpickled, were that allowed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/cheated",)
