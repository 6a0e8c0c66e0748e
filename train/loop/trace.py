"""A trace of some steady steps: what the processor and the GPU do when, for a person to look at.

It is written as Chrome's trace format; https://ui.perfetto.dev and chrome://tracing open it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from gait.errors import StorageError

TRACE = "trace.json"

SETTLE = 10
"""Steps passed over first: allocations, autotuning, compilation."""

TRACED = 5
"""Steps in the trace."""


def no_trace() -> None:
    """What to call after a step where nothing is traced."""


@contextmanager
def traced(folder: Path, steps: int) -> Iterator[Callable[[], None]]:
    """Traces a few of the coming steps into `folder/trace.json`.

    Args:
        folder: an existing folder.
        steps: how many steps will be done; of a short run the last ones are traced.

    Yields:
        To be called after each step.

    Raises:
        StorageError: the trace cannot be written.
    """

    def write(finished: profile) -> None:
        try:
            finished.export_chrome_trace(str(folder / TRACE))
        except (OSError, RuntimeError) as error:
            raise StorageError(f"cannot write {folder / TRACE}: {error}") from error

    settling = max(0, min(SETTLE, steps - TRACED - 1))
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    when = schedule(skip_first=settling, wait=0, warmup=1, active=TRACED, repeat=1)
    with profile(activities=activities, schedule=when, on_trace_ready=write) as profiler:
        yield profiler.step
