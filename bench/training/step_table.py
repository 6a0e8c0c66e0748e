"""What was measured of training steps, as tables, beside what the full-size recipe is to reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.training.step_cost import OpCost
from bench.training.timed_training import PARTS
from bench.training.variants import BASE, DEFAULT, LESS

Seconds = NDArray[np.float64]
"""`(turns, steps, 4)` of data, forward, backward and optimiser."""

STEP_MS = 40.0
"""Target on one GPU of the H200's class: milliseconds of an iteration in the steady state."""

DIFFUSION = 0.12
"""Target: the most that the diffusion branch adds to the time of base."""

WAITING = 0.02
"""Target: the largest share of a step spent waiting for data."""


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


def targets_table(rows: Mapping[str, Row]) -> str:
    """Each target beside what the default and the fastest row took.

    Args:
        rows: by name, with the default among them.
    """
    fastest = min((r for r in rows.values() if r.name not in LESS), key=lambda row: row.median)
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
