"""All templates of a store at one revision, ready to be searched."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from gallery.index.rows import Change, Filter, Ids
from gallery.index.rung import RungName
from gallery.index.search import Hit, Search
from gallery.index.segment import Exactly, Segment
from gallery.template import Batch, Matrix

ALL = Filter()
"""Whatever there is."""
FRESH = 2_048
"""Rows of an exact segment at most, unless more are added at once: joining them holds up a write,
and where there are many templates exact ones take the longest to search."""


@dataclass(frozen=True, eq=False)
class Index:
    """Segments of one store.

    What is added makes a new `Index` that shares the segments there are, so a search goes on
    undisturbed on the one it started with. What is erased is erased from all of them.

    The sizes of exact segments at least halve from one to the next, or are near `FRESH`, so a
    template is copied O(log n) times as the gallery grows.
    """

    revision: int
    segments: tuple[Segment, ...] = ()

    def __len__(self) -> int:
        return sum(int(segment.rows.alive.sum()) for segment in self.segments)

    @property
    def last(self) -> int:
        """Largest template number there ever was; 0 if there is none."""
        return max((int(s.rows.templates.max()) for s in self.segments), default=0)

    @property
    def rung(self) -> RungName:
        """The smallest way in which some template is held."""
        held = {segment.name for segment in self.segments}
        return next((name for name in reversed(RungName) if name in held), RungName.EXACT)

    def plus(self, revision: int, batch: Batch) -> "Index":
        """The index with more templates, held exactly, at a later revision."""
        if not len(batch.ids):
            return Index(revision, self.segments)
        new = Segment.of(batch, RungName.EXACT)
        return Index(revision, _compacted([*self.segments, new]))

    def without(self, revision: int, templates: Sequence[int] | Ids) -> "Index":
        """The index at a later revision, with templates erased here and in all it shares with."""
        gone = np.asarray(templates, np.int64)
        for segment in self.segments:
            segment.erase(gone)
        return Index(revision, tuple(s for s in self.segments if s.rows.alive.any()))

    def changed(self, revision: int, changes: Sequence[Change]) -> "Index":
        """The index at a later revision, with other subjects or expiries of some templates."""
        segments = self.segments
        for change in changes:
            segments = tuple(segment.changed(change) for segment in segments)
        return Index(revision, segments)

    def replaced(self, old: Sequence[Segment], new: Segment | None) -> "Index | None":
        """The index with one segment instead of others, whose living templates it holds.

        What was erased from the old ones meanwhile is erased from the new one. None if one of the
        old ones is no longer there.
        """
        kept = tuple(s for s in self.segments if not any(s is o for o in old))
        if len(kept) != len(self.segments) - len(old):
            return None
        if new is None:
            return Index(self.revision, kept)
        for segment in old:
            new.erase(segment.rows.templates[~segment.rows.alive])
        return Index(self.revision, (*kept, new))

    def search(
        self,
        queries: Matrix,
        top_k: int,
        exactly: Exactly,
        *,
        further: int = 0,
        wanted: Filter = ALL,
        now: float | None = None,
        pool: Executor | None = None,
        templates: bool = False,
    ) -> list[list[Hit]]:
        """The `top_k` subjects most like each query.

        Args:
            queries: `(b, dimension)` float32 of norm 1.
            top_k: subjects wanted; fewer are returned if there are fewer.
            exactly: reads embeddings that the index does not hold exactly.
            further: subjects after those, most of them the next ones.
            wanted: which templates may be found.
            now: seconds since 1970; what expires by then is not found. None for the clock.
            pool: threads that search segments side by side.
            templates: find templates, not subjects: several hits may be of one subject.

        Returns:
            For each query hits, the most similar first; equally similar ones by template.
        """
        moment = time.time() if now is None else now
        allowed = [segment.rows.allowed(wanted, moment) for segment in self.segments]
        return Search(self.segments, allowed, exactly, pool, templates=templates).hits(
            queries, top_k, further
        )


def _compacted(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Small exact segments joined, the rest as it is."""
    others = [s for s in segments if s.name is not RungName.EXACT]
    compact: list[Segment] = []
    for segment in segments:
        if segment.name is RungName.EXACT:
            compact.append(segment)
            while len(compact) > 1 and _join(*compact[-2:]):
                joined = Segment.joined(compact[-2:])
                compact[-2:] = [] if joined is None else [joined]
    return (*others, *compact)


def _join(one: Segment, after: Segment) -> bool:
    return len(one) + len(after) <= FRESH and len(one) < 2 * len(after)
