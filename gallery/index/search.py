"""Search over segments: candidates of each, compared exactly, one hit for each subject."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from gallery.index.rows import Ids, Mask
from gallery.index.segment import Exactly, Segment
from gallery.template import Matrix, Vector

COMPARED = 64
"""Templates, at least, that are compared exactly with a query (docs/gallery.md)."""
_EACH = 4
"""Templates, at least, for each subject wanted."""
_GROWTH = 2
_ALONE = 262_144
"""Templates that are searched by the thread that asks: others would be woken too late to help."""
_CHUNK = 1024
"""Embeddings read from the store at once."""


@dataclass(frozen=True)
class Hit:
    """A subject found, by its number, with the template of it that is most like the query.

    `compared` has the similarities of all its templates that were compared exactly.
    """

    subject: int
    template: int
    similarity: float
    compared: dict[int, float] = field(default_factory=dict, compare=False, repr=False)


class Search:
    """One search for several queries over segments, some of whose rows are allowed.

    Args:
        segments: to search.
        allowed: which rows of each may be found.
        exactly: reads what the segments do not hold exactly.
        pool: searches segments side by side, if they are large; None for one after another.
        templates: find templates, not subjects: several hits may be of one subject.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        allowed: Sequence[Mask],
        exactly: Exactly,
        pool: Executor | None,
        *,
        templates: bool = False,
    ) -> None:
        kept = [(s, a) for s, a in zip(segments, allowed, strict=True) if a.any()]
        self._segments, self._allowed = [s for s, _ in kept], [a for _, a in kept]
        self._exactly, self._by_template = exactly, templates
        self._pool = pool if sum(map(len, self._segments)) > _ALONE else None
        self.total = sum(int(a.sum()) for a in self._allowed)

    def hits(self, queries: Matrix, top_k: int, further: int = 0) -> list[list[Hit]]:
        """The `top_k` subjects most like each query `(b, dimension)`, and `further` likely next.

        The list of templates that are compared grows until it holds `top_k` subjects, and the last
        of them stands clearly before its end: by then a template further down could not matter.
        The further subjects are those that this list holds.
        """
        found: list[list[Hit]] = [[] for _ in queries]
        pending, asked = np.arange(len(queries)), max(COMPARED, _EACH * (top_k + further))
        while self.total and len(pending):
            candidates = self._candidates(queries[pending], min(asked, self.total))
            unsure = []
            for query, places in zip(pending.tolist(), candidates, strict=True):
                found[query], sure = self._compared(queries[query], places, top_k, further)
                if not sure and asked < self.total:
                    unsure.append(query)
            pending, asked = np.array(unsure, np.int64), _GROWTH * asked
        return found

    def _candidates(self, queries: Matrix, asked: int) -> list[Ids]:
        """For each query the places `(asked, 2)` (segment, row) that seem best, in that order."""

        def near(place: int) -> tuple[Matrix, Ids]:
            return self._segments[place].rung.near(queries, self._allowed[place], asked)

        first, *others = range(len(self._segments))
        beside = (map if self._pool is None else self._pool.map)(near, others)
        found = [near(first), *beside]
        scores = np.concatenate([s for s, _ in found], axis=1)
        rows = np.concatenate([r for _, r in found], axis=1)
        owners = np.concatenate([np.full(r.shape[1], place) for place, (_, r) in enumerate(found)])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :asked]
        return [
            np.stack([owners[best], row[best]], axis=1)
            for best, row in zip(order, rows, strict=True)
        ]

    def _compared(
        self, query: Vector, places: Ids, top_k: int, further: int
    ) -> tuple[list[Hit], bool]:
        """The best subjects among the places; whether a longer list could hardly change `top_k`."""
        templates, subjects, similarities = self._measured(query, places)
        who = templates if self._by_template else subjects
        order = np.lexsort((templates, -similarities))  # NaN last
        order = order[: int(np.isfinite(similarities).sum())]
        firsts, compared = dict[int, int](), dict[int, dict[int, float]]()
        for place in order.tolist():
            whose = int(who[place])
            firsts.setdefault(whose, place)
            compared.setdefault(whose, {})[int(templates[place])] = float(similarities[place])
        hits = [
            Hit(int(subjects[p]), int(templates[p]), float(similarities[p]), compared[whose])
            for whose, p in islice(firsts.items(), top_k + further)
        ]
        if len(hits) < top_k:
            return hits, False
        tied = similarities[len(places) // 2 :] >= hits[top_k - 1].similarity
        return hits, not tied.any()

    def _measured(self, query: Vector, places: Ids) -> tuple[Ids, Ids, Vector]:
        """Templates, subjects and exact similarities of places; NaN for what was erased."""
        templates = np.empty(len(places), np.int64)
        subjects = np.empty(len(places), np.int64)
        similarities = np.full(len(places), np.nan, np.float32)
        unread = np.zeros(len(places), np.bool_)
        for place in np.unique(places[:, 0]).tolist():
            mine = np.flatnonzero(places[:, 0] == place)
            rows, segment = places[mine, 1], self._segments[place]
            templates[mine] = segment.rows.templates[rows]
            subjects[mine] = segment.rows.subjects[rows]
            vectors = segment.rung.vectors(rows)
            if vectors is None:
                unread[mine] = True
            else:
                similarities[mine] = similarities_to(query, vectors)
        _read(self._exactly, np.flatnonzero(unread), templates, query, similarities)
        alive = [self._segments[place].rows.alive[row] for place, row in places.tolist()]
        similarities[~np.array(alive, np.bool_)] = np.nan  # erased since: zeros, perhaps
        return templates, subjects, similarities


def _read(
    exactly: Exactly, places: Ids, templates: Ids, query: Vector, similarities: Vector
) -> None:
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        similarities[chunk] = similarities_to(query, exactly(templates[chunk]))


def similarities_to(query: Vector, vectors: Matrix) -> Vector:
    """Inner products; each is the same whatever the other rows are, so that equals stay equal."""
    similarities: Vector = np.einsum("nd,d->n", vectors, query)
    return similarities
