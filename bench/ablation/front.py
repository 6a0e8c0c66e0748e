"""What accuracy costs: `python -m bench.ablation.front [--out front.png]`.

The networks of the ablation's rows `base` and `networks` that were trained: Rank-1 of the people
held out against operations for a clip of 30 frames, and against milliseconds here, in one run of
all by turns. A network is on a front if none costs less and finds as many. Choose by the people
held out; the test people are shown beside them. Networks are compared by the same seeds, and where
they differ by less than seeds do, a front says nothing. It is of as few people as the preset trains
on: with 588 in place of 32 the order was another (results/speed.md).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from torch.utils.flop_counter import FlopCounterMode

from bench.ablation.page import read_runs
from bench.ablation.record import RunRecord
from bench.ablation.rows import BASE, NETWORKS, ROWS
from bench.ablation.table import ACROSS, markdown, score
from bench.ablation.trial import RESULTS
from bench.measuring.clock import seconds
from bench.serving.embedding_engines import clips_of
from export.backbone import backbone
from export.variants.graph import trace
from gait.cli import run
from gait.errors import ConfigError, EvaluationError
from gait.modality import SIZE, Modality
from gait.ragged import ragged
from gallery.network.session import Device, Session, checked_threads
from train.config import DiffusionConfig, ModelConfig
from train.model.network import GaitNetwork
from train.presets import load_config
from train.report.plots import png
from train.storage import require_place, write_atomically

SHIPPED = "net-fine"
"""The row that has the layers of the model that comes with the package. That one also takes the
mean over frames, four columns in a strip and a projection, and runs in int8."""
FRAMES = 30
"""Of the clip that is counted and timed."""
COSTS = {
    "GFLOP for a clip of 30 frames, mean of both sensors": "gflop",
    "ms for such a silhouette clip here, fp32": "milliseconds",
}
"""What they are called in a picture, and the field of a point."""


@dataclass(frozen=True)
class Point:
    """One network.

    Args:
        name, what: of its row.
        seeds: that it is the mean of.
        gflop: of a clip of 30 frames, the mean of both sensors, two for each multiply-add.
        milliseconds: of a silhouette clip here, in fp32: the median over turns.
        times: as long as base takes: the median over turns; None without base.
        held, both: Rank-1 in percent of the people held out and of the test people, the mean of
            both directions across sensors.
        spread: of the people held out, the worst and the best seed.
    """

    name: str
    what: str
    seeds: int
    gflop: float
    milliseconds: float
    times: float | None
    held: float
    both: float
    spread: tuple[float, float]


def main(
    preset: Annotated[str, tyro.conf.Positional] = "benchmark",
    seeds: tuple[int, ...] | None = None,
    turns: int = 15,
    threads: int | None = None,
    results: Path = RESULTS,
    out: Path | None = None,
) -> None:
    """Prints the table, and draws it.

    Args:
        preset: whose runs.
        seeds: networks that were trained with all of these are compared; if not given, all
            networks by the seeds that they share.
        turns: how often each network is timed.
        threads: of ONNX Runtime; by default every core this process may use.
        results: folder of the records.
        out: a PNG file for the picture.

    Raises:
        EvaluationError: none of the rows has a run, or they share no seed.
        ConfigError: there is no such preset.
    """
    require_place(out)
    threads = checked_threads(threads)
    if turns < 1:
        raise ConfigError(f"got {turns} turns, need at least 1")
    found = read_runs(load_config(preset), results)
    trained = [name for name in (BASE, *(row.name for row in NETWORKS)) if name in found]
    if not trained:
        raise EvaluationError(
            "no network is trained yet: python -m bench.ablation --rows base networks"
        )
    shared = set(seeds or ()) or set.intersection(*(set(found[name]) for name in trained))
    if not shared:
        raise EvaluationError("the networks share no seed: name those that count with --seeds")
    rows = [name for name in trained if shared <= set(found[name])]
    if not rows:
        raise EvaluationError(f"no network was trained with all of the seeds {_said(shared)}")
    runs = {name: {seed: found[name][seed] for seed in sorted(shared)} for name in rows}
    models = {name: next(iter(runs[name].values())).config.model for name in rows}
    taken = timed(models, turns, threads)
    points = [point(name, runs[name], models[name], taken) for name in rows]
    print(text(points))
    left = [name for name in trained if name not in rows]
    print(
        f"\nSeeds {_said(shared)}." + (f" Without all of them: {', '.join(left)}." if left else "")
    )
    if out is not None:
        write_atomically(out, draw(points))


def _said(seeds: Collection[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def point(
    name: str,
    runs: Mapping[int, RunRecord],
    model: ModelConfig,
    taken: Mapping[str, Sequence[float]],
) -> Point:
    """What a row's runs found, and what its network costs, by the milliseconds of all turns."""
    own = np.array(taken[name])
    times = float(np.median(own / taken[BASE])) if BASE in taken else None
    held = [float(np.mean([*record.validation.values()])) for record in runs.values()]
    found = float(np.mean(held)), score(runs, ACROSS).value, (min(held), max(held))
    what = ROWS[name].what + ", as shipped" * (name == SHIPPED)
    return Point(name, what, len(runs), gflop(model), float(np.median(own)), times, *found)


def gflop(model: ModelConfig) -> float:
    """Of a clip of 30 frames through the network that ships, the mean of both sensors, in 10⁹."""
    network, total = _network(model), 0.0
    for modality in Modality:
        frames = torch.zeros(FRAMES, modality.channels, SIZE, SIZE, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            backbone(network, modality)(frames, torch.arange(FRAMES)[None])
        total += counter.get_total_flops() / 1e9
    return total / len(Modality)


def timed(models: Mapping[str, ModelConfig], turns: int, threads: int) -> dict[str, list[float]]:
    """Milliseconds of a silhouette clip of 30 frames, all networks by turns."""
    camera = Modality.SILHOUETTE
    sessions = {
        name: Session(
            trace(backbone(_network(model), camera), camera).SerializeToString(),
            Device.CPU,
            threads,
        )
        for name, model in models.items()
    }
    given = ragged([clip.frames for clip in clips_of((FRAMES,))])
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(turns):
        for name, session in sessions.items():
            session.run(*given)  # brings it back into the caches
            taken[name].append(1000 * seconds(lambda: session.run(*given)))  # noqa: B023
    return taken


def _network(model: ModelConfig) -> GaitNetwork:
    torch.manual_seed(0)
    shipped = model.model_copy(update={"projection": None})
    return GaitNetwork(shipped, DiffusionConfig(phases=()), 8).eval()


def front(points: Sequence[Point], cost: str = "gflop") -> set[str]:
    """Names of the networks than which none costs less and finds as many."""
    values = {p.name: (getattr(p, cost), p.held) for p in points}
    return {
        name
        for name, (own, held) in values.items()
        if not any(
            other <= own and found >= held and (other, found) != (own, held)
            for other, found in values.values()
        )
    }


def text(points: Sequence[Point]) -> str:
    """The table, the cheapest first."""
    best = max(points, key=lambda p: p.held)
    fronts = {cost: front(points, cost) for cost in COSTS.values()}
    lines = [["network", "", "seeds", "GFLOP", "of the best's", "ms", "× base", "held out",
              "to the best", "worst, best seed", "test", "on the front by operations",
              "by time"]]  # fmt: skip
    for p in sorted(points, key=lambda p: p.gflop):
        times = "–" if p.times is None else f"{p.times:.2f}"
        lines.append(
            [p.name, p.what, str(p.seeds), f"{p.gflop:.2f}", f"{p.gflop / best.gflop:.2f}",
             f"{p.milliseconds:.1f}", times, f"{p.held:.1f}", f"{p.held - best.held:+.1f}",
             f"{p.spread[0]:.1f}, {p.spread[1]:.1f}", f"{p.both:.1f}",
             *("yes" if p.name in ahead else "" for ahead in fronts.values())]
        )  # fmt: skip
    return markdown(lines)


def draw(points: Sequence[Point]) -> bytes:
    """Held-out Rank-1 against operations and against time, as a PNG picture."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    figure.suptitle("What accuracy costs by the benchmark, simulated people held out")
    both = figure.subplots(1, 2, sharey=True)
    for axes, (label, cost) in zip(both, COSTS.items(), strict=True):
        names = front(points, cost)
        ahead = sorted((getattr(p, cost), p.held) for p in points if p.name in names)
        axes.step(*zip(*ahead, strict=True), where="post", color="tab:orange")
        for p in points:
            x, colour = getattr(p, cost), "tab:orange" if p.name in names else "tab:gray"
            axes.plot((x, x), p.spread, color=colour, linewidth=1)
            axes.plot(x, p.held, "o", color=colour)
            above = 4 if p.name in names else -12  # so that neighbours do not overprint
            axes.annotate(
                p.name.removeprefix("net-") + ", as shipped" * (p.name == SHIPPED),
                (x, p.held), xytext=(4, above),
                textcoords="offset points", fontsize=8,
                weight="bold" if p.name == BASE else "normal",
            )  # fmt: skip
        axes.set(xlabel=label, xscale="log")
        axes.margins(x=0.2)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.grid(alpha=0.3)
    both[0].set_ylabel("Rank-1 across sensors, %")
    return png(figure)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.ablation.front", description=__doc__))
