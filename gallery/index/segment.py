"""Templates next to each other, and the way their embeddings are held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gallery.index.bits import Bits
from gallery.index.exact import Exact
from gallery.index.int8 import Int8
from gallery.index.rows import Change, Ids, Rows
from gallery.index.rung import Rung, RungName
from gallery.template import Batch, Matrix

Exactly = Callable[[Ids], Matrix]
"""Embeddings `(n, dimension)` of templates `(n,)` as the store has them; a row of NaN for a
template that the store has no longer."""

_CHUNK = 1024

RUNGS: dict[RungName, type[Rung]] = {
    RungName.EXACT: Exact,
    RungName.INT8: Int8,
    RungName.BITS: Bits,
}


@dataclass(frozen=True, eq=False)
class Segment:
    """At least one template; `rung` holds the embeddings in the order of `rows`."""

    rows: Rows
    rung: Rung
    name: RungName

    @classmethod
    def of(cls, batch: Batch, name: RungName) -> "Segment":
        """A segment of some templates, held in one way."""
        return cls(Rows.of(batch), RUNGS[name].of(batch.embeddings), name)

    @classmethod
    def joined(cls, parts: Sequence["Segment"]) -> "Segment | None":
        """One segment of several of one rung, without what was erased; None if that was all."""
        living = [part for part in map(Segment.living, parts) if part is not None]
        if len(living) < 2:
            return living[0] if living else None
        rows = Rows.joined([part.rows for part in living])
        name = living[0].name
        return cls(rows, RUNGS[name].joined([part.rung for part in living]), name)

    def living(self) -> "Segment | None":
        """The segment without what was erased: itself if that is nothing, None if it is all."""
        if self.rows.alive.all():
            return self
        if not self.rows.alive.any():
            return None
        keep = self.rows.alive.copy()
        return Segment(self.rows.take(keep), self.rung.take(keep), self.name)

    def as_rung(self, name: RungName, exactly: Exactly) -> "Segment | None":
        """The living rows held another way; None if there are none.

        Args:
            name: the way.
            exactly: reads embeddings if this segment does not hold them itself.
        """
        living = self.living()
        if living is None:
            return None
        parts = []
        for start in range(0, len(living), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(living)))
            vectors = living.rung.vectors(rows)
            if vectors is None:
                vectors = exactly(living.rows.templates[rows])
            parts.append(RUNGS[name].of(vectors))
        return Segment(living.rows, RUNGS[name].joined(parts), name)

    def changed(self, change: Change) -> "Segment":
        """The segment with other subjects or expiries; itself if they are not of its templates."""
        rows = self.rows.changed(change)
        return self if rows is self.rows else replace(self, rows=rows)

    def erase(self, templates: Ids) -> int:
        """Takes templates out of every search and overwrites their codes; returns how many."""
        rows = self.rows.of_templates(templates)
        self.rows.alive[rows] = False  # first, so that no search returns what zeros look like
        self.rung.erase(rows)
        return len(rows)

    def __len__(self) -> int:
        return len(self.rows)
