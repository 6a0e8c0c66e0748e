"""Whether strangers stay strangers: `python -m bench.open_set --bundle B --dataset D --out DIR`.

Error rates of an open search on labelled people used for nothing else: realised FPIR of the
bundle's own thresholds against their target, FNIR at fixed FPIR, the mixed gallery, the number of
templates, the quality of clips. `--calibration-people N` calibrates on the first N people of the
dataset, and measures on the others, instead of taking the bundle's calibration.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from bench.accuracy.open_searches import (
    SIZES,
    USUAL_SIZE,
    Row,
    found_by_sensor,
    rows_of,
    trade_off,
)
from bench.accuracy.open_set_plots import (
    draw_realised,
    draw_sizes,
    draw_templates_and_quality,
    draw_trades,
)
from bench.accuracy.shortened_clips import Shortened, shortened
from bench.measuring.options import Bundle, Dataset, Json
from gait.cli import run
from gait.errors import CalibrationError, ConfigError
from gait.manifest import Manifest
from gait.modality import Modality
from gait.progress import progress
from gallery.command_line.table import table
from gallery.decision.calibration import Calibration, Enrolled
from gallery.decision.decision import bundle_calibration
from gallery.decision.fitting import MIXED, LabelledClips, calibrate
from gallery.enrolment.bulk import Outcome
from gallery.enrolment.labelled import labelled_clips
from gallery.enrolment.sources import Selection, find_sources
from gallery.network.encoder import Encoder
from gallery.search.cohort import Cohort, bundle_cohort
from train.storage import write_atomically

TEMPLATES = (1, 2, 4, 8)
WAYS: tuple[Enrolled, ...] = ("silhouette", "range_view", MIXED)


@dataclass(frozen=True)
class Arguments:
    """Measures open-set identification."""

    bundle: Bundle
    dataset: Dataset
    out: Path
    """Folder for `open_set.json`, the pictures, and the embeddings, which are kept."""
    calibration_people: int = 0
    """Calibrate on so many people of the dataset and measure on the others; 0 takes the bundle's
    calibration and measures on everybody."""
    templates: int = 4
    """Of a person, but where their number is what is compared."""
    probed_views: tuple[str, ...] = ()
    """Views of the dataset's tree from which people are looked for, such as 090 270; they are
    enrolled from the others then. By default both may be of any view."""
    unnormalised: bool = False
    """Leave out the bundle's cohort; needs `--calibration-people`."""
    shortened: bool = False
    """Also cut probes to fewer frames: quality against error."""
    threads: int | None = None
    """Of the network."""
    json: Json = False


def main() -> None:
    """Measures, draws, and prints a table or JSON."""
    arguments = tyro.cli(Arguments, prog="python -m bench.open_set")
    encoder = Encoder.load(arguments.bundle, threads=arguments.threads)
    clips = _clips(arguments, encoder).normalised(_cohort(arguments))
    clips = _from_other_views(arguments, clips)
    calibration, measured = _split(arguments, clips)
    rows = list(_rows(measured, calibration, arguments.templates))
    cut = list[Shortened]()
    if arguments.shortened:
        sources = find_sources(arguments.dataset, Selection())
        cut += shortened(
            encoder, sources, measured, calibration, arguments.templates, _cohort(arguments)
        )
    facts: dict[str, Any] = {
        "contract": calibration.contract,
        "calibration": {
            "people": calibration.people,
            "simulated": calibration.simulated,
            "sha256": calibration.sha256,
        },
        "measured_people": len(np.unique(measured.subjects)),
        "probed_views": list(arguments.probed_views),
        "found_by_sensor": found_by_sensor(measured, arguments.templates),
        "rows": [asdict(r) | {"holds": r.holds, "both_hold": r.both_hold} for r in rows],
        "shortened": [asdict(each) for each in cut],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "open_set.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    _draw(measured, calibration, rows, cut, arguments)
    print(json.dumps(facts, indent=1) if arguments.json else _table(rows))


def _rows(clips: LabelledClips, calibration: Calibration, usual: int) -> Iterator[Row]:
    settings = list(product(Modality, WAYS, sorted({*TEMPLATES, usual})))
    with progress() as bar:
        for probe, way, templates in bar.track(settings, description="settings"):
            sizes = SIZES if templates == usual else (USUAL_SIZE,)
            try:
                yield from rows_of(clips, calibration, probe, way, templates, sizes)
            except CalibrationError:
                continue  # nobody has so many clips


def _clips(arguments: Arguments, encoder: Encoder) -> LabelledClips:
    file = arguments.out / embeddings_of(arguments.dataset, encoder.contract)
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            return LabelledClips(*(kept[name] for name in COLUMNS))
    sources = find_sources(arguments.dataset, Selection())
    with progress() as bar:
        task = bar.add_task("embedding", total=len(sources), note="")
        clips = labelled_clips(encoder, sources, Outcome(), advance=lambda n: bar.advance(task, n))
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **{name: getattr(clips, name) for name in COLUMNS})
    write_atomically(file, held.getbuffer())
    return clips


def embeddings_of(dataset: Path, contract: str) -> str:
    """Name of the file that keeps a dataset's embeddings by one network."""
    digest = hashlib.sha256(str(dataset.resolve()).encode()).hexdigest()
    return f"embeddings-{contract}-{digest[:8]}.npz"


COLUMNS = ("subjects", "sessions", "modalities", "embeddings")


def _split(arguments: Arguments, clips: LabelledClips) -> tuple[Calibration, LabelledClips]:
    """The calibration, and the people it was not made from."""
    names, count = np.unique(clips.subjects), arguments.calibration_people
    if not count:
        if arguments.unnormalised:
            raise ConfigError("--unnormalised needs --calibration-people: nothing is calibrated so")
        found = bundle_calibration(arguments.bundle)
        if found is None:
            raise ConfigError(f"{arguments.bundle} has no calibration: give --calibration-people")
        return found, clips
    manifest = Manifest.load(arguments.bundle)
    calibration = calibrate(
        clips.only(np.isin(clips.subjects, names[:count])),
        contract=manifest.contract,
        simulated=manifest.simulated,
        data=f"{arguments.dataset.name}, the first {count} people",
        cohort=_cohort(arguments),
    )
    return calibration, clips.only(np.isin(clips.subjects, names[count:]))


def _from_other_views(arguments: Arguments, clips: LabelledClips) -> LabelledClips:
    """The clips of which none is looked for from a view that it is enrolled from.

    Raises:
        ConfigError: the dataset is no tree with views, some of its clips could not be used, or it
            has no such view or no other.
    """
    if not arguments.probed_views:
        return clips
    paths = [Path(source.name).parts for source in find_sources(arguments.dataset, Selection())]
    if len(paths) != len(clips.subjects) or {len(path) for path in paths} != {4}:
        raise ConfigError(
            f"--probed-views needs a tree subject/type/view of usable clips, got {len(paths)} "
            f"files for {len(clips.subjects)} clips"
        )
    views = np.array([path[2] for path in paths])
    probed = np.isin(views, arguments.probed_views)
    if missing := set(arguments.probed_views) - set(views.tolist()):
        raise ConfigError(
            f"no clip is of view {', '.join(sorted(missing))}, but {', '.join(np.unique(views))}"
        )
    if probed.all():
        raise ConfigError("every view is probed: nobody would be enrolled")
    return clips.only(clips.later() == probed)


def _cohort(arguments: Arguments) -> Cohort | None:
    return None if arguments.unnormalised else bundle_cohort(arguments.bundle)


def _draw(
    measured: LabelledClips,
    calibration: Calibration,
    rows: Sequence[Row],
    cut: Sequence[Shortened],
    arguments: Arguments,
) -> None:
    templates = arguments.templates
    people = (
        f"{len(np.unique(measured.subjects))} {'simulated ' * calibration.simulated}people, "
        f"calibrated on {calibration.people} others, {templates} templates a person"
    )
    settings = [(p, w, templates) for p, w in product(Modality, WAYS)]
    trades = {
        f"{probe} → {way}": trade_off(measured, probe, way, each) for probe, way, each in settings
    }
    figures = {
        "trade_off": draw_trades(trades, people),
        "sizes": draw_sizes(rows, templates, people),
        "realised": draw_realised(rows, templates, people),
        "templates_and_quality": draw_templates_and_quality(rows, cut, people),
    }
    for name, figure in figures.items():
        figure.savefig(arguments.out / f"{name}.png", dpi=90)


def _table(rows: list[Row]) -> str:
    head = ("probe", "enrolled by", "templates", "N", "FPIR %", "realised", "and calibration",
            "FNIR %", "best", "by")  # fmt: skip
    cells = [
        (r.probe, r.enrolled, r.templates, r.size, f"{100 * r.target:g}",
         _with(r.realised, r.low, r.high), _with(r.realised, r.both_low, r.both_high),
         _with(r.fnir, r.fnir_low, r.fnir_high),
         "-" if r.best_fnir is None else f"{r.best_fnir:.1f}", r.source or "refused")
        for r in rows
    ]  # fmt: skip
    return table(head, cells)


def _with(value: float | None, low: float | None, high: float | None) -> str:
    return "-" if value is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    run(main)
