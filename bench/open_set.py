"""Whether strangers stay strangers: `python -m bench.open_set --bundle B --dataset D --out DIR`.

Error rates of an open search on labelled people used for nothing else: realised FPIR of the
bundle's own thresholds against their target, FNIR at fixed FPIR, the mixed gallery, the number of
templates. `--calibration-people N` calibrates on the first N people of the dataset, and measures on
the others, instead of taking the bundle's calibration.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from bench.measuring.options import Bundle, Dataset, Json
from gait.cli import run
from gait.errors import CalibrationError, ConfigError
from gait.manifest import Manifest
from gait.modality import Modality
from gait.open_set import Scores, det, fnir, over_people
from gait.progress import progress
from gallery.command_line.table import table
from gallery.decision.calibration import Calibration, Enrolled
from gallery.decision.decision import bundle_calibration
from gallery.decision.fitting import MIXED, Compared, LabelledClips, calibrate, compared
from gallery.enrolment.bulk import Outcome
from gallery.enrolment.labelled import labelled_clips
from gallery.enrolment.sources import Selection, find_sources
from gallery.network.encoder import Encoder

SIZES = (10, 20, 40, 80, 160, 320, 640, 1000)
RATES = (0.001, 0.01, 0.1)
TEMPLATES = (1, 2, 4, 8)
WAYS: tuple[Enrolled, ...] = ("silhouette", "range_view", MIXED)


@dataclass(frozen=True)
class Arguments:
    """Measures open-set identification."""

    bundle: Bundle
    dataset: Dataset
    out: Path
    """Folder for `open_set.json` and the pictures."""
    calibration_people: int = 0
    """Calibrate on so many people of the dataset and measure on the others; 0 takes the bundle's
    calibration and measures on everybody."""
    templates: int = 4
    """Of a person, but where their number is what is compared."""
    draws: int = 10
    """Galleries and probes that are drawn."""
    threads: int | None = None
    """Of the network."""
    json: Json = False


@dataclass(frozen=True)
class Row:
    """One setting. FNIR is at rank 1, in percent; intervals are 95 %, over people.

    `realised` is the share of strangers called somebody by the calibrated threshold; None, with
    all that follows from it, where the calibration refuses the rate. `best_fnir` is at the
    threshold chosen on the strangers themselves, which nobody can know beforehand.
    """

    probe: str
    enrolled: str
    templates: int
    size: int
    people: int
    target: float
    source: str | None
    realised: float | None
    low: float | None
    high: float | None
    fnir: float | None
    fnir_low: float | None
    fnir_high: float | None
    best_fnir: float
    rank1: float

    @property
    def holds(self) -> bool | None:
        """Whether the interval of the realised rate reaches down to the target."""
        return None if self.low is None else self.low <= 100 * self.target


def main() -> None:
    """Measures, draws, and prints a table or JSON."""
    arguments = tyro.cli(Arguments, prog="python -m bench.open_set")
    clips = _clips(arguments)
    calibration, measured = _split(arguments, clips)
    rows, panels = list[Row](), dict[str, tuple[Scores, Scores, Scores]]()
    with progress() as bar:
        for probe in bar.track(list(Modality), description="probes"):
            for way in WAYS:
                rows += _measured(measured, calibration, probe, way, arguments, panels)
    facts: dict[str, Any] = {
        "contract": calibration.contract,
        "calibration": {
            "people": calibration.people,
            "simulated": calibration.simulated,
            "sha256": calibration.sha256,
        },
        "measured_people": len(np.unique(measured.subjects)),
        "found_by_sensor": found_by_sensor(measured, arguments.templates),
        "rows": [asdict(row) | {"holds": row.holds} for row in rows],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "open_set.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    _draw(panels, rows, arguments).savefig(arguments.out / "open_set.png", dpi=110)
    print(json.dumps(facts, indent=1) if arguments.json else _table(rows))


def found_by_sensor(clips: LabelledClips, templates: int) -> dict[str, dict[str, float]]:
    """Rank-1 in percent in the mixed gallery, by probe and by the sensor that enrolled the person.

    Args:
        clips: of the people.
        templates: of each of them.
    """
    found = dict[str, dict[str, float]]()
    for probe in Modality:
        one = compared(clips, probe, MIXED, templates)
        hits = one.similarities.argmax(axis=1) == one.whose
        by = one.enrolled_by[one.whose]
        found[probe] = {way: 100 * float(hits[by == way].mean()) for way in Modality}
    return found


def _clips(arguments: Arguments) -> LabelledClips:
    encoder = Encoder.load(arguments.bundle, threads=arguments.threads)
    file = arguments.out / f"embeddings-{encoder.contract}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            return LabelledClips(*(kept[name] for name in _COLUMNS))
    sources = find_sources(arguments.dataset, Selection())
    with progress() as bar:
        task = bar.add_task("embedding", total=len(sources), note="")
        clips = labelled_clips(encoder, sources, Outcome(), advance=lambda n: bar.advance(task, n))
    arguments.out.mkdir(parents=True, exist_ok=True)
    np.savez(file, allow_pickle=False, **{name: getattr(clips, name) for name in _COLUMNS})
    return clips


_COLUMNS = ("subjects", "sessions", "modalities", "embeddings")


def _split(arguments: Arguments, clips: LabelledClips) -> tuple[Calibration, LabelledClips]:
    """The calibration, and the people it was not made from."""
    names, count = np.unique(clips.subjects), arguments.calibration_people
    if not count:
        found = bundle_calibration(arguments.bundle)
        if found is None:
            raise ConfigError(f"{arguments.bundle} has no calibration: give --calibration-people")
        return found, clips
    manifest = Manifest.load(arguments.bundle)
    calibration = calibrate(
        _only(clips, set(names[:count].tolist())),
        contract=manifest.contract,
        simulated=manifest.simulated,
        data=f"{arguments.dataset.name}, the first {count} people",
    )
    return calibration, _only(clips, set(names[count:].tolist()))


def _only(clips: LabelledClips, people: set[str]) -> LabelledClips:
    rows = np.isin(clips.subjects, sorted(people))
    return LabelledClips(*(getattr(clips, name)[rows] for name in _COLUMNS))


def _measured(
    clips: LabelledClips,
    calibration: Calibration,
    probe: Modality,
    way: Enrolled,
    arguments: Arguments,
    panels: dict[str, tuple[Scores, Scores, Scores]],
) -> Iterator[Row]:
    for templates in sorted({*TEMPLATES, arguments.templates}):
        try:
            one = compared(clips, probe, way, templates)
        except CalibrationError:
            return  # nobody has so many clips
        drawn = _draws(one, arguments.draws)
        for size in [n for n in SIZES if n < one.people]:
            if templates != arguments.templates and size != 160:
                continue
            for target in RATES:
                yield _row(calibration, probe, way, templates, size, target, one, drawn)
        if templates == arguments.templates:
            best, own = drawn
            place = min(160, one.people - 1) - 1
            panels[f"{probe} → {way}"] = (best[:, :, place].ravel(), own.ravel(), best[:, :, 0])


def _draws(one: Compared, draws: int) -> tuple[Scores, Scores]:
    """`(draws, people, people − 1)` best of so many others, and `(draws, people)` own."""
    rng = np.random.default_rng(1)
    best, own = zip(*(one.drawn(rng) for _ in range(draws)), strict=True)
    return np.stack(best), np.stack(own)


def _row(
    calibration: Calibration,
    probe: Modality,
    way: Enrolled,
    templates: int,
    size: int,
    target: float,
    one: Compared,
    drawn: tuple[Scores, Scores],
) -> Row:
    best, own = drawn
    strangers, others = best[:, :, size - 1], best[:, :, size - 2]
    people = np.broadcast_to(np.arange(one.people), own.shape).ravel()
    first = own > others  # the probe's person among size − 1 others
    known = np.quantile(strangers, 1 - target)
    facts: dict[str, Any] = dict.fromkeys(
        ("source", "realised", "low", "high", "fnir", "fnir_low", "fnir_high")
    )
    try:
        threshold = calibration.pair(probe, way, templates).threshold(target, size)
    except CalibrationError:
        pass
    else:
        called = over_people((strangers >= threshold.similarity).ravel(), people)
        missed = over_people(1 - (first & (own >= threshold.similarity)).ravel(), people)
        facts["source"] = threshold.source
        facts["realised"], facts["low"], facts["high"] = (100 * v for v in called)
        facts["fnir"], facts["fnir_low"], facts["fnir_high"] = (100 * v for v in missed)
    return Row(
        probe=probe,
        enrolled=way,
        templates=templates,
        size=size,
        people=one.people,
        target=target,
        best_fnir=100 * float(fnir(own.ravel(), np.where(first, 1, 2).ravel(), known)),
        rank1=100 * float(first.mean()),
        **facts,
    )


def _draw(
    panels: dict[str, tuple[Scores, Scores, Scores]], rows: list[Row], arguments: Arguments
) -> Figure:
    """DET, realised against wanted FPIR, FNIR against size; below, a histogram a pair."""
    figure = Figure(figsize=(15, 10), layout="constrained")
    axes = figure.subplots(3, 3).ravel()
    for name, (strangers, own, _) in panels.items():
        _, positive, negative = det(strangers, own)
        shown = positive > 0
        axes[0].plot(100 * positive[shown], 100 * negative[shown], label=name)
    axes[0].set(xscale="log", xlabel="FPIR, %", ylabel="FNIR, % (any rank)", title="DET, N ≤ 160")
    axes[0].legend(fontsize=7)
    usual = [r for r in rows if r.templates == arguments.templates]
    for number, name in enumerate(panels):
        own_rows = [r for r in usual if f"{r.probe} → {r.enrolled}" == name]
        told = [r for r in own_rows if r.realised is not None]
        axes[1].plot(
            [100 * r.target for r in told],
            [r.realised for r in told],
            "o",
            ms=3,
            color=f"C{number}",
        )
        at = [r for r in own_rows if r.target == 0.01]
        axes[2].plot([r.size for r in at], [r.best_fnir for r in at], "o-", ms=3, label=name)
    axes[1].plot([0.05, 20], [0.05, 20], color="grey", lw=1)
    axes[1].set(xscale="log", yscale="symlog", xlabel="wanted FPIR, %", ylabel="realised FPIR, %")
    axes[2].set(xscale="log", xlabel="N", ylabel="FNIR at FPIR 1 %, %")
    for axis, (name, (strangers, own, pairs)) in zip(axes[3:], panels.items(), strict=False):
        for values, label in ((pairs, "others"), (strangers, "best stranger"), (own, "own")):
            axis.hist(np.ravel(values), 60, density=True, histtype="step", label=label)
        axis.set(title=name, xlabel="similarity")
    axes[3].legend(fontsize=7)
    return figure


def _table(rows: list[Row]) -> str:
    head = ("probe", "enrolled by", "templates", "N", "FPIR %", "realised", "FNIR %", "best", "by")
    cells = [
        (r.probe, r.enrolled, r.templates, r.size, f"{100 * r.target:g}",
         _with(r.realised, r.low, r.high), _with(r.fnir, r.fnir_low, r.fnir_high),
         f"{r.best_fnir:.1f}", r.source or "refused")
        for r in rows
    ]  # fmt: skip
    return table(head, cells)


def _with(value: float | None, low: float | None, high: float | None) -> str:
    return "-" if value is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    run(main)
