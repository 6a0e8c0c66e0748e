"""Which fusion of a subject's templates finds people best: `python -m bench.fusion --dataset D`.

People of a simulated dataset that the bundle's model was not trained on are enrolled with 1, 2, 4
or 8 random walks, by the other sensor than the probe's or by both, and looked for with another walk
from other views. A share of templates may be wrong (somebody else's clip) or poor (three frames).
Each rule sees the same draws; a change is given with a 95 % paired interval over people.

With `--keep` it compares what to keep of eight templates that arrive one after the other when only
some may stay.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import embedded_walks
from bench.accuracy.enrolment_draws import EnrolmentDraw, EnrolmentPlan, People
from bench.measuring.options import EMBEDDING_CACHE, Bundle, Dataset, EmbeddingCache, Json
from gait.cli import run
from gait.modality import Modality
from gait.progress import progress
from gallery.command_line.table import table
from gallery.enrolment.template_cap import Retention, leaving
from gallery.search.fusion import DEFAULT, Fusion
from train.protocols.resample import resampled_people

FAULTS = (("none", 0.0), ("wrong", 0.1), ("wrong", 0.25), ("poor", 0.25))
COUNTS = ((1,), (2,), (4,), (8,), (1, 2, 4, 8))
RESAMPLES = 1000

Hits = NDArray[np.float64]
"""`(people,)` share of a person's probes that found the person."""


@dataclass(frozen=True)
class Arguments:
    """Compares fusions, or with --keep what to keep of too many templates."""

    bundle: Bundle
    dataset: Dataset
    cache: EmbeddingCache = EMBEDDING_CACHE
    subjects: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = ()
    """Only these people."""
    draws: int = 10
    """Times that everybody is enrolled anew, with other walks."""
    keep: tuple[int, ...] = ()
    """Templates that may stay of eight; given, retentions are compared instead."""
    seed: int = 0
    """Of the draws and of the resamples."""
    json: Json = False


@dataclass(frozen=True)
class FusionResult:
    """Rank-1 in percent of one rule in one setting; `low` and `high` are of the change."""

    probe: Modality
    sensors: str
    fault: str
    share: float
    templates: str
    rule: str
    rank1: float
    change: float
    low: float
    high: float


def main() -> None:
    """Measures and prints a table or JSON."""
    arguments = tyro.cli(Arguments, prog="python -m bench.fusion")
    walks = embedded_walks(arguments.dataset, arguments.bundle, arguments.cache)
    if arguments.subjects:
        walks = walks.rows(np.isin(walks.subjects, arguments.subjects))
    people = People(walks)
    settings = list(_settings(arguments, people.most))
    rows: list[FusionResult] = []
    with progress() as bar:
        for probe, enrolled in bar.track(settings, description="settings"):
            rows += _compared(people, probe, enrolled, arguments)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print(f"{people.count} simulated people, {arguments.draws} draws, Rank-1 in percent")
        print(_table(rows))


def _settings(arguments: Arguments, most: int) -> Iterator[tuple[Modality, EnrolmentPlan]]:
    counts = [n for n in ([(8,)] if arguments.keep else COUNTS) if max(n) <= most]
    sensors = ("other",) if arguments.keep else ("other", "both")
    for probe, kind, (fault, share), n in product(Modality, sensors, FAULTS, counts):
        yield probe, EnrolmentPlan(n, kind, fault, share)  # type: ignore[arg-type]


def _compared(
    people: People, probe: Modality, enrolled: EnrolmentPlan, arguments: Arguments
) -> Iterator[FusionResult]:
    """One row for each rule, compared with the first."""
    names, found = _measured(people, probe, enrolled, arguments)
    first = found[0]
    weights = resampled_people(people.count, RESAMPLES, arguments.seed)
    for name, hits in zip(names, found, strict=True):
        changes = weights @ (hits - first) / people.count
        low, high = np.quantile(changes, [0.025, 0.975])
        yield FusionResult(
            probe=probe,
            sensors=enrolled.sensors,
            fault=enrolled.fault,
            share=enrolled.share,
            templates="/".join(map(str, enrolled.counts)),
            rule=name,
            rank1=100 * float(hits.mean()),
            change=100 * float((hits - first).mean()),
            low=100 * float(low),
            high=100 * float(high),
        )


def _measured(
    people: People, probe: Modality, enrolled: EnrolmentPlan, arguments: Arguments
) -> tuple[list[str], list[Hits]]:
    rng = np.random.default_rng(arguments.seed)
    draws = [people.enrol(enrolled, probe, rng) for _ in range(arguments.draws)]
    if not arguments.keep:
        rules = {str(f): [found(people, probe, r, f) for r in draws] for f in Fusion}
    else:
        rules = {"all 8": [found(people, probe, r, DEFAULT) for r in draws]}
        for cap, retention in product(arguments.keep, Retention):
            kept = [retained(people, draw, retention, cap) for draw in draws]
            rules[f"{cap} {retention}"] = [found(people, probe, r, DEFAULT) for r in kept]
    return list(rules), [np.mean(hits, axis=0) for hits in rules.values()]


def found(people: People, probe: Modality, draw: EnrolmentDraw, fusion: Fusion) -> Hits:
    """How often each person is first, when everybody's templates are fused by a rule."""
    probes, whose = people.probes(probe)
    similarity = np.stack(
        [
            _fused(fusion, probes @ people.templates[rows].T, sensors)
            for rows, sensors in zip(draw.rows, draw.modalities, strict=True)
        ],
        axis=1,
    )
    hits = np.bincount(whose, similarity.argmax(axis=1) == whose, people.count)
    return np.asarray(hits / np.bincount(whose, minlength=people.count))


def _fused(
    fusion: Fusion, similarities: NDArray[np.float32], sensors: NDArray[np.intp]
) -> NDArray[np.float64]:
    """`subject_similarity` of many probes `(q, n)` at once."""
    kinds = [fusion(similarities[:, sensors == sensor]) for sensor in np.unique(sensors)]
    return np.asarray(np.max(kinds, axis=0))


def retained(people: People, draw: EnrolmentDraw, retention: Retention, cap: int) -> EnrolmentDraw:
    """The draw when every template beyond the cap made one leave at once."""
    rows = []
    for arriving in draw.rows:
        kept: list[int] = []
        for row in arriving.tolist():
            kept.append(row)
            if len(kept) > cap:
                del kept[leaving(retention, people.templates[kept])]
        rows.append(np.array(kept))
    return EnrolmentDraw(rows, [s[:cap] for s in draw.modalities])


def _table(rows: Sequence[FusionResult]) -> str:
    rules = list(dict.fromkeys(row.rule for row in rows))
    cells = []
    for start in range(0, len(rows), len(rules)):
        first, *others = rows[start : start + len(rules)]
        changes = [f"{r.change:+.1f} [{r.low:+.1f}, {r.high:+.1f}]" for r in others]
        cells.append([*_setting(first), f"{first.rank1:.1f}", *changes])
    return table(["probe", "enrolled by", "faulty", "templates", *rules], cells)


def _setting(row: FusionResult) -> tuple[str, ...]:
    faulty = f"{row.fault} {row.share:.0%}" if row.share else row.fault
    return str(row.probe), row.sensors, faulty, row.templates


if __name__ == "__main__":
    run(main)
