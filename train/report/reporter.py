"""What a person sees while a run goes on: the progress bar, or a line now and then."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from gait.progress import progress
from train.report.metrics_log import MetricsLog

SECONDS_BETWEEN_LINES = 30
"""How often a run without a terminal says where it is."""


class Reporter:
    """The progress bar and the metrics of a run, together; only one rank of several has one.

    Args:
        folder: the run folder.
        done: steps done before this process.
        total: steps of the whole run.
    """

    def __init__(self, folder: Path, done: int, total: int) -> None:
        self._total = total
        self._log = MetricsLog(folder, done)
        self._bar = progress()
        self._task = self._bar.add_task("training", total=total, completed=done, note="")
        self._began, self._first, self._said = time.monotonic(), done, time.monotonic()

    def advance(self) -> None:
        """Counts a step."""
        self._bar.advance(self._task)

    def steps(self, rows: list[dict[str, float]]) -> None:
        """Logs steps and shows the losses of the last."""
        self._log.steps(rows)
        if not rows:
            return
        shown = {k: v for k, v in rows[-1].items() if k not in ("iteration", "lr")}
        note = " ".join(f"{name} {value:.3g}" for name, value in shown.items())
        self._bar.update(self._task, note=note)
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say(int(rows[-1]["iteration"]), note)

    def validation(self, iteration: int, scores: dict[str, float]) -> None:
        """Logs a validation and says its result."""
        self._log.validation(iteration, scores)
        note = ", ".join(f"{name} {value:.1f} %" for name, value in scores.items())
        self._say(iteration, f"validation Rank-1: {note}")

    def _say(self, iteration: int, note: str) -> None:
        self._said = time.monotonic()
        rate = (iteration - self._first) / (self._said - self._began)
        left = (self._total - iteration) / rate if rate else 0
        line = f"iteration {iteration}/{self._total}, {rate:.2f}/s, {left:.0f} s left: {note}"
        if self._bar.disable:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(line, highlight=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        self._log.close()
