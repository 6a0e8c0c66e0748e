"""From every probe's outcome to the rows of a result."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.open_set import at_most
from train.protocols.outcomes import Indices, Lookup, Side
from train.protocols.records import Interval, Row
from train.protocols.resample import Tally, Values, scores


@dataclass(frozen=True, eq=False)
class ProbeSet:
    """A condition of a protocol.

    Args:
        name: of the condition.
        members: `(q,)` which of the probes belong to it.
    """

    name: str
    members: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Layout:
    """Who is compared with whom.

    Args:
        probe, gallery: the two sides.
        view_names: names of the views; more than one only where views are kept apart.
        compared: `(views, views)` which gallery views each probe view is compared with.
        people: number of different subjects.
        metrics: names of the metrics.
    """

    probe: Side
    gallery: Side
    view_names: tuple[str, ...]
    compared: NDArray[np.bool_]
    people: int
    metrics: tuple[str, ...]

    @property
    def probe_views(self) -> Indices:
        """`(q,)` view number of each probe."""
        lengths = [rows.stop - rows.start for rows in self.probe.slices]
        return np.repeat(np.arange(len(lengths)), lengths)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """`compared`, without gallery views that have no item."""
        filled = np.array([rows.stop > rows.start for rows in self.gallery.slices])
        return np.asarray(self.compared & filled)

    @property
    def holds(self) -> NDArray[np.bool_]:
        """`(people, views)` whether the gallery view has the subject."""
        held = np.zeros((self.people, len(self.view_names)), dtype=np.bool_)
        for view, rows in enumerate(self.gallery.slices):
            held[self.gallery.subjects[rows], view] = True
        return held


def people_hash(subjects: Iterable[str]) -> str:
    """sha256 of the sorted subject ids, which other people may have too."""
    return hashlib.sha256("\n".join(sorted(set(subjects))).encode()).hexdigest()


def summarise(
    layout: Layout,
    values: dict[Lookup, Values],
    sets: Sequence[ProbeSet],
    weights: Values,
) -> tuple[Row, ...]:
    """Rows for every comparison, condition and probe view, with 95 % intervals.

    Args:
        layout: who is compared with whom.
        values: of `outcomes`.
        sets: the conditions.
        weights: of `resampled_people`.
    """
    return tuple(
        row
        for way, outcome in values.items()
        for probe_set in sets
        for row in _rows(layout, way, outcome, probe_set, weights)
    )


def _rows(
    layout: Layout, way: Lookup, outcome: Values, probe_set: ProbeSet, weights: Values
) -> Iterable[Row]:
    members, views = probe_set.members, layout.probe_views[probe_set.members]
    subjects, usable = layout.probe.subjects[members], layout.usable
    tally = Tally.of(outcome[members], views, subjects, (len(layout.view_names), layout.people))
    value = scores(tally, np.ones((1, layout.people)), usable)[0]
    drawn = scores(tally, weights, usable)
    misses = (usable[views] & ~layout.holds[subjects]).sum(axis=1)
    cells = layout.compared.sum(axis=1)
    filled = np.where(tally.counts.sum(axis=1) > 0, usable.sum(axis=1), 0)
    names: list[str | None] = [None, *(layout.view_names if len(layout.view_names) > 1 else ())]
    for view, name in enumerate(names, -1):
        inside = np.ones(len(views), dtype=np.bool_) if name is None else views == view
        people = len(np.unique(subjects[inside]))
        of_view = slice(None) if name is None else slice(view, view + 1)
        yield Row(
            probe=way.probe,
            gallery=way.gallery,
            distance=way.distance,
            condition=probe_set.name,
            view=name,
            probes=int(inside.sum()),
            subjects=people,
            misses=int(misses[inside].sum()),
            cells=int(cells[of_view].sum()),
            empty_cells=int(cells[of_view].sum() - filled[of_view].sum()),
            scores=_intervals(layout.metrics, value[view], drawn[:, view], people),
            resamples=_resamples(layout.metrics, drawn[:, view]) if name is None else None,
        )


def _intervals(
    metrics: Sequence[str],
    value: NDArray[np.float64],
    drawn: NDArray[np.float64],
    people: int,
) -> dict[str, Interval]:
    if not np.isfinite(value).all():
        return {}
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    # A resample without a single probe says nothing; with none left the value stands alone.
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0) if len(drawn) else (value, value)
    # Where all people have nothing but hits, or misses, so have all resamples.
    low = np.where(value >= 100, 100 * (1 - at_most(people)), low)
    high = np.where(value <= 0, 100 * at_most(people), high)
    return {
        name: Interval(value=_percent(v), low=_percent(a), high=_percent(b))
        for name, v, a, b in zip(metrics, value, low, high, strict=True)
    }


def _percent(value: float) -> float:
    """Rounds float32 sums back into 0..100."""
    return round(min(max(float(value), 0.0), 100.0), 4)


def _resamples(
    metrics: Sequence[str], drawn: NDArray[np.float64]
) -> dict[str, tuple[float | None, ...]]:
    return {
        name: tuple(_percent(v) if np.isfinite(v) else None for v in column)
        for name, column in zip(metrics, drawn.T, strict=True)
    }
