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
from train.report.summary import direction, directions_of, distances_of

CMC_RANKS = tuple(range(1, 21))
"""Ranks that the curve shows."""

Curves = Mapping[tuple[Modality, Modality], Sequence[float]]
"""Rank-r accuracy in percent at `CMC_RANKS`, by probe and gallery modality."""


def cmc_curves(result: ProtocolResult, distance: Distance | None = None) -> Curves:
    """The curves of all probes of a result that was scored at `CMC_RANKS`; None: by its own
    distance."""
    curves = {}
    for probe, gallery in directions_of(result):
        scores = result.row(probe=probe, gallery=gallery, distance=distance).scores
        curves[probe, gallery] = [scores[f"rank{r}"].value for r in CMC_RANKS] if scores else []
    return curves


def draw_cmc(result: ProtocolResult) -> bytes:
    """The curves by each distance, as a PNG picture.

    Args:
        result: scored at `CMC_RANKS`.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle("Cumulative match" + ", simulated people" * result.simulated)
    both = figure.subplots(1, 2, sharey=True)
    for axes, distance in zip(both, distances_of(result), strict=True):
        for (probe, gallery), values in cmc_curves(result, distance).items():
            style = "--" if probe is gallery else "-"
            axes.plot(CMC_RANKS[: len(values)], values, style, label=direction(probe, gallery))
        axes.set(xlabel="rank", ylim=(0, 101), title=f"{distance} distance")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("people found, %")
    both[1].legend(loc="lower right", title="probe → gallery")
    return png(figure)


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
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
