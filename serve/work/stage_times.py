"""The stages of a request, timed for its reply and for the metrics."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from serve.middleware.request_log import Metrics

Result = TypeVar("Result")


class Stages:
    """Milliseconds of each stage of one request.

    Args:
        metrics: told of each stage too.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._took: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block; one that fails is not counted."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self._took[name] = self._took.get(name, 0.0) + 1e3 * seconds
        self._metrics.seconds.labels(name).observe(seconds)

    def timed(self, name: str, task: Callable[[], Result]) -> Callable[[], Result]:
        """The task as a stage, without the time it waits for a thread."""

        def run() -> Result:
            with self.stage(name):
                return task()

        return run

    @property
    def milliseconds(self) -> dict[str, float]:
        """Stage → milliseconds so far."""
        return {name: round(took, 3) for name, took in self._took.items()}
