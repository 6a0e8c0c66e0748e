"""What was measured of training steps, as rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.training.step_cost import OpCost
from bench.training.stopwatch import PARTS

Seconds = NDArray[np.float64]
"""`(turns, steps, 4)` of data, forward, backward and optimiser."""


@dataclass(frozen=True)
class Row:
    """One way to train.

    Args:
        name: of the row.
        median, p90: seconds of a step.
        relative: times as long as the default: the median over turns, and their quartiles.
        images: frames of both modalities a second.
        shares: of the step, for each of its parts.
        flops, bytes: of one step, counted.
        peak_share: FLOPs a second over those of this machine's best matrix products.
        memory: peak bytes; None if it was not measured.
    """

    name: str
    median: float
    p90: float
    relative: tuple[float, float, float]
    images: float
    shares: dict[str, float]
    flops: int
    bytes: int
    peak_share: float
    memory: int | None


def make_row(
    name: str,
    seconds: Seconds,
    default: Seconds,
    images: int,
    ops: Mapping[str, OpCost],
    matmul: float,
    memory: int | None,
) -> Row:
    """A row from its times and its costs.

    Args:
        name: of the row.
        seconds, default: of this row and the default, taken in the same turns.
        images: frames of both modalities in a batch.
        ops: what a step costs.
        matmul: FLOP/s of this machine's best matrix products in the row's dtype.
        memory: peak bytes, if measured.
    """
    steps = seconds.sum(axis=2)
    median = float(np.median(steps))
    ratios = np.median(steps, axis=1) / np.median(default.sum(axis=2), axis=1)
    middle, low, high = np.quantile(ratios, (0.5, 0.25, 0.75)).tolist()
    share = seconds.sum(axis=(0, 1)) / seconds.sum()
    flops = sum(op.flops for op in ops.values())
    return Row(
        name=name,
        median=median,
        p90=float(np.quantile(steps, 0.9)),
        relative=(middle, low, high),
        images=images / median,
        shares=dict(zip(PARTS, share.tolist(), strict=True)),
        flops=flops,
        bytes=sum(op.bytes for op in ops.values()),
        peak_share=flops / median / matmul,
        memory=memory,
    )


def rows_table(rows: Sequence[Row]) -> str:
    """A line for each row."""
    head = (
        f"{'row':<18}{'s/step':>9}{'p90':>9}{'× default':>11}{'(quartiles)':>14}{'images/s':>10}"
        + "".join(f"{part:>11}" for part in PARTS)
        + f"{'of peak':>9}{'GB moved':>10}{'memory':>9}"
    )
    return "\n".join([head, *map(_line, rows)])


def _line(row: Row) -> str:
    middle, low, high = row.relative
    memory = "–" if row.memory is None else f"{row.memory / 1e9:.2f} GB"
    return (
        f"{row.name:<18}{row.median:>9.4f}{row.p90:>9.4f}{middle:>11.2f}"
        f"{f'{low:.2f}–{high:.2f}':>14}{row.images:>10.0f}"
        + "".join(f"{row.shares[part]:>11.1%}" for part in PARTS)
        + f"{row.peak_share:>9.1%}{row.bytes / 1e9:>10.2f}{memory:>9}"
    )


def ops_table(ops: Mapping[str, OpCost], most: int = 12) -> str:
    """The ops that compute or move the most."""
    heaviest = sorted(ops.items(), key=lambda op: (op[1].flops, op[1].bytes), reverse=True)
    widest = sorted(ops.items(), key=lambda op: op[1].bytes, reverse=True)[:most]
    kept = dict([*heaviest[:4], *widest])
    lines = [f"{'op':<44}{'calls':>7}{'GFLOP':>12}{'GB':>9}"]
    lines += [
        f"{name:<44}{op.calls:>7}{op.flops / 1e9:>12.3f}{op.bytes / 1e9:>9.3f}"
        for name, op in kept.items()
    ]
    return "\n".join(lines)
