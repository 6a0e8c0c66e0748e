"""Memory of processes, and a process of its own in which work is measured."""

import gc
import re
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from gait.errors import DataError

_CLEAR = Path("/proc/self/clear_refs")
_RESIDENT, _PEAK = "VmRSS", "VmHWM"
Result = TypeVar("Result")


def in_child(work: Callable[..., Result], *arguments: object) -> Result:
    """What `work` returns in a new process, whose memory and threads are then its own alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        return child.submit(work, *arguments).result()


class ProcessMemory:
    """Resident memory of this process beyond what it held when this was made.

    Raises:
        OSError: not on Linux.
    """

    def __init__(self) -> None:
        gc.collect()
        _CLEAR.write_text("5")  # the peak begins anew
        self._baseline = _read(_RESIDENT)

    def steady(self) -> float:
        """MB held now."""
        gc.collect()
        return (_read(_RESIDENT) - self._baseline) / 1e6

    def peak(self) -> float:
        """Most MB held at any moment so far."""
        return (_read(_PEAK) - self._baseline) / 1e6


def resident_mib(process: int) -> float:
    """Resident memory of a process of this machine.

    Raises:
        DataError: it has ended.
    """
    return _read(_RESIDENT, process) / 2**20


def peak_bytes() -> int:
    """The most memory that this process held since it began.

    On Linux not by getrusage, which passes on what the parent process held.
    """
    if Path("/proc").exists():
        return _read(_PEAK)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _read(what: str, process: int | str = "self") -> int:
    """Bytes, from a line such as `VmRSS:  1234 kB`, which a process that has ended lacks."""
    status = Path(f"/proc/{process}/status")
    text = status.read_text() if status.exists() else ""
    match = re.search(rf"^{what}:\s+(\d+) kB", text, re.MULTILINE)
    if match is None:
        raise DataError(f"process {process} has ended: its memory cannot be read")
    return int(match[1]) * 1024
