"""The losses of the last steps, kept on the device until somebody looks."""

import math

import torch
import torch.distributed as dist
from torch import Tensor

from gait.errors import NonFiniteLossError
from train.losses import Losses
from train.machine.distributed import world_size


class Ledger:
    """Collects each step's losses without waiting for the device; `read` waits once for all."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, float]] = []
        self._values: list[Tensor] = []
        self._names: list[str] = []

    def add(self, iteration: int, rate: float, losses: Losses) -> None:
        """Notes a step's losses."""
        self._names = ["total", *losses.terms]
        self._steps.append((iteration, rate))
        self._values.append(torch.stack([losses.total, *losses.terms.values()]).detach())

    def read(self) -> list[dict[str, float]]:
        """The steps since the last reading, averaged over ranks: iteration, lr, total and terms.

        A collective call: every rank must make it after the same step.

        Raises:
            NonFiniteLossError: naming the first step and term that is not a finite number.
        """
        if not self._steps:
            return []
        table = torch.stack(self._values).float()
        if world_size() > 1:
            dist.all_reduce(table)
            table /= world_size()
        rows = [
            {"iteration": iteration, "lr": rate, **dict(zip(self._names, values, strict=True))}
            for (iteration, rate), values in zip(self._steps, table.tolist(), strict=True)
        ]
        self._steps, self._values = [], []
        _check_finite(rows)
        return rows


def _check_finite(rows: list[dict[str, float]]) -> None:
    for row in rows:
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            terms = [name for name in bad if name != "total"] or bad
            raise NonFiniteLossError(
                f"the loss became {row[bad[0]]} at iteration {int(row['iteration'])} (term "
                f"{', '.join(terms)}): lower optim.lr or use --run.precision fp32; the last "
                "checkpoint, from before that, is kept",
                iteration=int(row["iteration"]),
                term=terms[0],
            )
