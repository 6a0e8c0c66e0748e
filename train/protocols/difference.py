"""What changed between two results."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.records import Record, Row
from train.protocols.table import columns


class Difference(Record):
    """One score's change in percentage points.

    Args:
        probe, gallery, condition, metric: which score.
        distance, distance_after: by which distance before, and after.
        before, after: the two values in percent.
        low, high: paired 95 % interval of the change; None where it cannot be paired.
    """

    probe: Modality
    gallery: Modality
    distance: Distance
    distance_after: Distance
    condition: str
    metric: str
    before: float
    after: float
    low: float | None
    high: float | None

    @property
    def change(self) -> float:
        """`after − before`."""
        return self.after - self.before


class Differences(Record):
    """All changes between two results, or between two methods over several seeds.

    Args:
        title: what is compared.
        sure_of: whom the intervals hold for.
        differences: score by score.
        note: why no interval is paired, or what that rests on; None where nothing is to be said.
    """

    title: str
    sure_of: str = "people alone"
    differences: tuple[Difference, ...]
    note: str | None = None

    def table(self) -> str:
        """Plain text, one line per score."""
        lines = [["score", "before", "after", "change", f"95 % paired, over {self.sure_of}"]]
        lines += [_cells(d) for d in self.differences]
        note = [] if self.note is None else [self.note]
        return "\n".join([self.title, *columns(lines), *note])

    def to_json(self) -> str:
        """As JSON."""
        return self.model_dump_json(indent=2)


def differences(
    before: Iterable[Row],
    after: Iterable[Row],
    distances: Sequence[tuple[Distance, Distance]],
    *,
    paired: bool,
) -> Iterator[Difference]:
    """Changes of every score over all views that both hold.

    Args:
        before: rows of the one result.
        after: rows of the other.
        distances: by which distance before and after, in this order.
        paired: whether equal positions in their resamples are the same people.
    """
    rows, others = ([row for row in some if row.view is None] for some in (before, after))
    found = {(row.distance, row.probe, row.gallery, row.condition): row for row in others}
    for first, second in distances:
        for row in (row for row in rows if row.distance == first):
            other = found.get((second, row.probe, row.gallery, row.condition))
            if other is not None:
                yield from _changes(row, other, paired=paired)


def _changes(row: Row, other: Row, *, paired: bool) -> Iterator[Difference]:
    for metric in (name for name in row.scores if name in other.scores):
        low, high = _interval(row, other, metric) if paired else (None, None)
        yield Difference(
            probe=row.probe,
            gallery=row.gallery,
            distance=row.distance,
            distance_after=other.distance,
            condition=row.condition,
            metric=metric,
            before=row.scores[metric].value,
            after=other.scores[metric].value,
            low=low,
            high=high,
        )


def _interval(before: Row, after: Row, metric: str) -> tuple[float | None, float | None]:
    if before.resamples is None or after.resamples is None:
        return None, None
    first, second = (
        np.array(row.resamples[metric], dtype=np.float64)
        for row in (before, after)
        if row.resamples is not None
    )
    change = (second - first)[np.isfinite(second - first)]
    if not len(change):
        return None, None
    low, high = np.percentile(change, [2.5, 97.5])
    return float(low), float(high)


def _cells(d: Difference) -> list[str]:
    paired = "–" if d.low is None or d.high is None else f"[{d.low:+.1f}, {d.high:+.1f}]"
    by = " → ".join(dict.fromkeys((d.distance, d.distance_after)))
    name = f"{d.probe} → {d.gallery}, {by}, {d.condition}, {d.metric}"
    return [name, f"{d.before:.1f}", f"{d.after:.1f}", f"{d.change:+.1f}", paired]
