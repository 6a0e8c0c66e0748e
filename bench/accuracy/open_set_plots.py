"""Pictures of open searches: trade-offs, similarities, and rates against gallery size."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.accuracy.open_searches import RATES, USUAL_SIZE, Row, Trade
from bench.accuracy.shortened_clips import Shortened


def draw_trades(trades: Mapping[str, Trade], people: str) -> Figure:
    """A detection error trade-off, and a histogram of similarities for each pair of sensors."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    axes = figure.subplots(3, 3).ravel()
    figure.suptitle(people)
    for name, trade in trades.items():
        axes[0].plot(trade.fpir, trade.fnir, label=f"{name}, N = {trade.size}")
    axes[0].set(xscale="log", xlabel="FPIR, %", ylabel="FNIR, %", title="error trade-off")
    axes[0].grid(alpha=0.3)
    axes[0].legend(fontsize=6)
    for axis, (name, trade) in zip(axes[1:], trades.items(), strict=False):
        kinds = {"anybody else": trade.others, "best stranger": trade.best, "own": trade.own}
        for label, values in kinds.items():
            axis.hist(values, 60, density=True, histtype="step", label=label)
        axis.set(title=name, xlabel="similarity", yticks=[])
    axes[1].legend(fontsize=7)
    for axis in axes[1 + len(trades) :]:
        axis.set_axis_off()
    return figure


def draw_sizes(rows: Sequence[Row], templates: int, people: str) -> Figure:
    """FNIR at each FPIR against the size of the gallery; beyond the people by the tail, dashed."""
    figure = Figure(figsize=(14, 4.5), layout="constrained")
    figure.suptitle(people)
    for axis, target in zip(figure.subplots(1, len(RATES), sharey=True), RATES, strict=True):
        chosen = [r for r in rows if r.templates == templates and r.target == target]
        for colour, name in enumerate(dict.fromkeys(map(pair, chosen))):
            told = [r for r in chosen if pair(r) == name and r.fnir is not None]
            inside = [r for r in told if r.realised is not None]
            for some, line in ((inside, "-"), (told[max(len(inside) - 1, 0) :], "--")):
                points = [r.size for r in some], [r.fnir for r in some]
                label = name if line == "-" else None
                axis.plot(*points, line, marker="o", ms=3, color=f"C{colour}", label=label)
        axis.set(xscale="log", xlabel="N", title=f"FPIR {target:.1%}")
        axis.grid(alpha=0.3)
    axes = figure.axes
    axes[0].set_ylabel("FNIR, %; dashed: beyond the people, by the tail")
    axes[-1].legend(fontsize=7)
    return figure


def draw_realised(rows: Sequence[Row], templates: int, people: str) -> Figure:
    """Realised FPIR at each wanted one, with intervals over people (thin: and who calibrated)."""
    figure = Figure(figsize=(14, 4.5), layout="constrained")
    figure.suptitle(people)
    for axis, target in zip(figure.subplots(1, len(RATES)), RATES, strict=True):
        chosen = [
            r
            for r in rows
            if r.templates == templates and r.target == target and r.realised is not None
        ]
        names = list(dict.fromkeys(map(pair, chosen)))
        for colour, name in enumerate(names):
            own = [r for r in chosen if pair(r) == name]
            x = [r.size * (1 + 0.04 * colour) for r in own]
            for low, high, width in (("low", "high", 2.5), ("both_low", "both_high", 0.8)):
                ends = [[getattr(r, each) for r in own] for each in (low, high)]
                axis.vlines(x, *ends, color=f"C{colour}", lw=width)
            axis.plot(x, [r.realised for r in own], "o", ms=4, color=f"C{colour}", label=name)
        axis.axhline(100 * target, color="grey", lw=1)
        axis.set(xscale="log", xlabel="N", ylabel="realised FPIR, %", title=f"wanted {target:.1%}")
    figure.axes[-1].legend(fontsize=7)
    return figure


def draw_templates_and_quality(
    rows: Sequence[Row], shortened: Sequence[Shortened], people: str
) -> Figure:
    """FNIR at FPIR 1 % by the number of templates, and by the quality of shortened clips."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    figure.suptitle(people)
    left, right = figure.subplots(1, 2)
    chosen = [r for r in rows if r.size == USUAL_SIZE and r.target == 0.01]
    for name in dict.fromkeys(map(pair, chosen)):
        own = [r for r in chosen if pair(r) == name and r.best_fnir is not None]
        left.plot([r.templates for r in own], [r.best_fnir for r in own], "o-", label=name)
    left.set(xlabel=f"templates a person, N = {USUAL_SIZE}", ylabel="FNIR at FPIR 1 %, %")
    left.legend(fontsize=7)
    _draw_quality(right, shortened)
    return figure


def pair(row: Row) -> str:
    """Of which sensors a row is."""
    return f"{row.probe} → {row.enrolled}"


def _draw_quality(axis: Axes, shortened: Sequence[Shortened]) -> None:
    if not shortened:
        axis.set_axis_off()
        return
    for name in dict.fromkeys(each.pair for each in shortened):
        own = [each for each in shortened if each.pair == name]
        axis.plot([e.quality for e in own], [e.fnir for e in own], "o-", label=name)
        for each in own:
            axis.annotate(f"{each.frames}", (each.quality, each.fnir), fontsize=6)
    axis.set(xlabel="mean quality of clips of so many frames", ylabel="FNIR, %", ylim=(0, 100))
    axis.legend(fontsize=7)
