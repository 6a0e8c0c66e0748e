"""What a run leaves to look at: `metrics.jsonl`, one line a step, and TensorBoard's event files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from train.storage import write_atomically

FILE = "metrics.jsonl"


class MetricsLog:
    """Appends to a run's metrics; reopening after a crash cuts off what the checkpoint lacks.

    Args:
        folder: the run folder.
        iteration: steps the run has done; later lines, and a last one cut short, are dropped, so
            that after resuming the file is what an uninterrupted run would have written.
    """

    def __init__(self, folder: Path, iteration: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        kept = [line for line in read_metrics(folder) if line["iteration"] <= iteration]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._lines = path.open("a")
        self._board = SummaryWriter(folder / "tensorboard", purge_step=iteration + 1)

    def steps(self, rows: list[dict[str, float]]) -> None:
        """Writes one line for each step; the last of them goes to TensorBoard.

        Args:
            rows: each with `iteration`, `lr`, `total` and the loss terms.
        """
        self._lines.writelines(json.dumps(row) + "\n" for row in rows)
        self._lines.flush()
        if rows:
            self._plot("train", rows[-1])

    def validation(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Writes the validation scores after a step, percent."""
        row = {"iteration": iteration, **{f"validation_{k}": v for k, v in scores.items()}}
        self._lines.write(json.dumps(row) + "\n")
        self._lines.flush()
        self._plot("validation", {"iteration": iteration, **scores})

    def _plot(self, group: str, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "iteration":
                self._board.add_scalar(f"{group}/{name}", value, int(row["iteration"]))

    def close(self) -> None:
        """Writes out what is buffered."""
        self._lines.close()
        self._board.close()


def read_metrics(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's `metrics.jsonl`, up to the first that was cut short."""
    path = folder / FILE
    if not path.is_file():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
