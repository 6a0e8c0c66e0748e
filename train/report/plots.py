"""Curves: cumulative match characteristic, and losses over iterations."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.result import ProtocolResult
from train.report.summary import DIRECTIONS, direction

CMC_RANKS = tuple(range(1, 21))
"""Ranks that the curve shows."""

Curves = Mapping[tuple[Modality, Modality], Sequence[float]]
"""Rank-r accuracy in percent at `CMC_RANKS`, by probe and gallery modality."""


def cmc_curves(result: ProtocolResult) -> Curves:
    """The curves of a result that was scored at `CMC_RANKS`: cosine distance, all probes."""
    curves = {}
    for probe, gallery in DIRECTIONS:
        scores = result.row(probe=probe, gallery=gallery, distance=Distance.COSINE).scores
        curves[probe, gallery] = [scores[f"rank{r}"].value for r in CMC_RANKS] if scores else []
    return curves


def draw_cmc(curves: Curves, simulated: bool) -> bytes:
    """The curves as a PNG picture."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for (probe, gallery), values in curves.items():
        style = "--" if probe is gallery else "-"
        axes.plot(CMC_RANKS[: len(values)], values, style, label=direction(probe, gallery))
    axes.set(
        xlabel="rank",
        ylabel="people found, %",
        ylim=(0, 101),
        title="Cumulative match" + ", simulated people" * simulated,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", title="probe → gallery")
    axes.grid(alpha=0.3)
    return _png(figure)


def draw_losses(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Loss terms over iterations, each smoothed over 1 % of the run, as a PNG picture."""
    steps = [row for row in rows if "total" in row]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    iterations = np.array([row["iteration"] for row in steps])
    width = max(1, len(steps) // 100)
    window = np.ones(width) / width
    for name in [n for n in (steps[-1] if steps else {}) if n not in ("iteration", "lr")]:
        values = np.array([row[name] for row in steps])
        smooth = np.convolve(values, window, mode="valid")
        axes.plot(
            iterations[width - 1 :],
            smooth,
            label=name,
            linewidth=2 if name == "total" else 1,
            color="black" if name == "total" else None,
        )
    axes.set(xlabel="iteration", ylabel="loss before its weight", yscale="symlog", title="Losses")
    if steps:
        figure.legend(loc="outside right center", fontsize="small")
    axes.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
