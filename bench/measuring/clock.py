"""Seconds that work takes by the clock."""

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def quickest(work: Callable[[], object], during: float) -> float:
    """Of the quickest of all calls that `during` seconds have room for, which is one at least.

    What else the machine does has disturbed that one least.
    """
    end, best = time.perf_counter() + during, seconds(work)
    while time.perf_counter() < end:
        best = min(best, seconds(work))
    return best
