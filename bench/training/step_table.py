"""What was measured of training steps, as tables, beside what the full-size recipe is to reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.training.step_cost import OpCost
from bench.training.timed_training import PARTS
from bench.training.variants import BASE, DEFAULT, OTHERS
from gallery.command_line.table import table

Seconds = NDArray[np.float64]
"""`(turns, steps, 4)` of data, forward, backward and optimiser."""

STEP_MS = 45.0
"""Target on one GPU of the H200's class: milliseconds of an iteration in the steady state."""

DIFFUSION = 0.12
"""Target: the most that the diffusion branch adds to the time of base."""

WAITING = 0.02
"""Target: the largest share of a step spent waiting for data."""


@dataclass(frozen=True)
class StepResult:
    """One way to train.

    Args:
        name: of the row.
        median, p90: seconds of a step.
        relative: times as long as the default: the median over turns, and their quartiles.
        images: frames of both modalities a second.
        shares: of the step, for each of its parts.
        flops, bytes: of one step, counted; 0 if they were not.
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


def step_result(
    name: str,
    seconds: Seconds,
    default: Seconds,
    images: int,
    ops: Mapping[str, OpCost],
    matmul: float,
    memory: int | None,
) -> StepResult:
    """A row from its times and its costs.

    Args:
        name: of the row.
        seconds, default: of this row and the default, taken in the same turns.
        images: frames of both modalities in a batch.
        ops: what a step costs; nothing if it was not counted.
        matmul: FLOP/s of this machine's best matrix products in the row's dtype.
        memory: peak bytes, if measured.
    """
    steps = seconds.sum(axis=2)
    median = float(np.median(steps))
    ratios = np.median(steps, axis=1) / np.median(default.sum(axis=2), axis=1)
    middle, low, high = np.quantile(ratios, (0.5, 0.25, 0.75)).tolist()
    share = seconds.sum(axis=(0, 1)) / seconds.sum()
    flops = sum(op.flops for op in ops.values())
    return StepResult(
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


def steps_table(rows: Sequence[StepResult]) -> str:
    """A line for each row."""
    head = ("row", "s/step", "p90", "× default", "(quartiles)", "images/s", *PARTS, "of peak",
            "GB moved", "memory")  # fmt: skip
    return table(head, [_cells(row) for row in rows])


def _cells(row: StepResult) -> tuple[object, ...]:
    middle, low, high = row.relative
    memory = "–" if row.memory is None else f"{row.memory / 1e9:.2f} GB"
    counted = (f"{row.peak_share:.1%}", round(row.bytes / 1e9, 2)) if row.flops else ("–", "–")
    return (row.name, round(row.median, 4), round(row.p90, 4), f"{middle:.2f}",
            f"{low:.2f}–{high:.2f}", round(row.images), *(f"{row.shares[p]:.1%}" for p in PARTS),
            *counted, memory)  # fmt: skip


def counts_table(costs: Mapping[str, Mapping[str, OpCost]]) -> str:
    """What a step of each row costs: calls of ops, arithmetic, traffic, predicted time."""
    lines = []
    for name, ops in costs.items():
        calls, flops, moved, seconds = (
            sum(getattr(op, what) for op in ops.values())
            for what in ("calls", "flops", "bytes", "seconds")
        )
        predicted = round(1000 * seconds, 1) if seconds else "–"
        lines.append((name, calls, round(flops / 1e12, 3), round(moved / 1e9, 2), predicted))
    return table(("row", "ops", "TFLOP", "GB moved", "ms at best"), lines)


def ops_table(ops: Mapping[str, OpCost], most: int = 12) -> str:
    """The ops that compute or move the most."""
    heaviest = sorted(ops.items(), key=lambda op: (op[1].flops, op[1].bytes), reverse=True)
    widest = sorted(ops.items(), key=lambda op: op[1].bytes, reverse=True)[:most]
    kept = dict([*heaviest[:4], *widest])
    rows = [
        (name, op.calls, round(op.flops / 1e9, 3), round(op.bytes / 1e9, 3))
        for name, op in kept.items()
    ]
    return table(("op", "calls", "GFLOP", "GB"), rows)


def targets_table(rows: Mapping[str, StepResult]) -> str:
    """Each target beside what the default and the fastest row took.

    Args:
        rows: by name, with the default among them.
    """
    fastest = min((r for r in rows.values() if r.name not in OTHERS), key=lambda row: row.median)
    lines = [f"{'target':<44}{'wanted':>10}{'found':>10}"]
    for row in {DEFAULT: rows[DEFAULT], fastest.name: fastest}.values():
        lines.append(_target(f"ms a step, {row.name}", STEP_MS, 1000 * row.median, "{:.1f}"))
        lines.append(
            _target(f"waiting for data, {row.name}", WAITING, row.shares["data"], "{:.1%}")
        )
    if BASE in rows:
        added = 1 / rows[BASE].relative[0] - 1
        lines.append(_target("the diffusion branch adds, default", DIFFUSION, added, "{:.1%}"))
    if fastest.memory:
        lines.append(f"peak memory, {fastest.name}: {fastest.memory / 1e9:.1f} GB")
    return "\n".join(lines)


def _target(what: str, most: float, found: float, shape: str) -> str:
    verdict = "met" if found <= most else "missed"
    return f"{what:<44}{'≤ ' + shape.format(most):>10}{shape.format(found):>10}  {verdict}"
