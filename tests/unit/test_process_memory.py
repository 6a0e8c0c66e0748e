"""Memory of a process, as it grows and shrinks, and work in a process of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bench.measuring.process_memory import ProcessMemory, in_child, peak_bytes, resident_mib
from gait.errors import DataError

MB = 1_000_000


def steady_and_peak() -> tuple[float, float, int]:
    memory = ProcessMemory()
    block = np.ones(100 * MB, np.uint8)
    held = memory.steady()
    del block
    assert memory.steady() < held / 2
    return held, memory.peak(), peak_bytes()


def test_what_is_held_and_the_most_that_was_held() -> None:
    held, peak, since_start = in_child(steady_and_peak)
    assert held == pytest.approx(100, abs=15)
    assert peak == pytest.approx(100, abs=15)
    assert since_start > 100 * MB


def test_work_is_done_in_another_process() -> None:
    assert in_child(os.getpid) != os.getpid()


def test_another_process_is_measured_until_it_ends() -> None:
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 1 < resident_mib(child.pid) < 1000
        child.communicate(b"\n")
    with pytest.raises(DataError, match=f"process {child.pid} has ended"):
        resident_mib(child.pid)
