"""Whether an index finds what is in it: itself, and the neighbours that exact search finds."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallery.index.index import Index
from gallery.index.rows import Ids
from gallery.index.segment import Exactly
from gallery.template import Batch, Matrix

NEIGHBOURS = 10
SAMPLE = 64
"""Templates that are looked for."""
LEAST_SELF_HIT = 0.99
"""Share of sampled templates that an index must find as their own nearest to be used."""
_SAME = 1e-4
"""An embedding more alike than 1 less this is the same, whoever's it is."""


@dataclass(frozen=True)
class Recall:
    """Shares 0..1 of exact search's first, and first ten, templates that an index found too."""

    first: float
    ten: float


class Witness:
    """Exact neighbours of a few templates, gathered while all pass by once."""

    def __init__(self) -> None:
        self._queries: Matrix | None = None
        self._own = np.empty(0, np.int64)
        self._scores: Matrix = np.empty((0, 0), np.float32)
        self._templates: Ids = np.empty((0, 0), np.int64)

    def see(self, batch: Batch) -> None:
        """Takes note of some templates; the first give the queries."""
        if self._queries is None:
            rows = np.linspace(0, len(batch.ids) - 1, min(SAMPLE, len(batch.ids))).astype(int)
            self._queries, self._own = batch.embeddings[rows], batch.ids[rows]
            self._scores = np.empty((len(rows), 0), np.float32)
            self._templates = np.empty((len(rows), 0), np.int64)
        scores = np.concatenate([self._scores, self._queries @ batch.embeddings.T], axis=1)
        ids = np.broadcast_to(batch.ids, (len(self._own), len(batch.ids)))
        templates = np.concatenate([self._templates, ids], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : NEIGHBOURS + 1]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self._templates = np.take_along_axis(templates, best, axis=1)

    def recall(self, index: Index, exactly: Exactly, pool: Executor | None) -> Recall:
        """What share of the neighbours an index finds; a query's own template does not count."""
        if self._queries is None or self._templates.shape[1] < 2:
            return Recall(1.0, 1.0)
        hits = index.search(
            self._queries, NEIGHBOURS + 1, exactly, now=-np.inf, pool=pool, templates=True
        )
        found = [np.array([hit.template for hit in some], np.int64) for some in hits]
        ten = [
            np.isin(want[want != own], got)
            for want, own, got in zip(self._templates, self._own, found, strict=True)
        ]
        return Recall(
            float(np.mean([right[0] for right in ten])),
            float(np.mean(np.concatenate(ten))),
        )


def self_hit(index: Index, exactly: Exactly, pool: Executor | None, seed: int = 0) -> float:
    """Share of sampled templates that an index finds as the nearest to their own embeddings."""
    templates = _living(index)
    if not len(templates):
        return 1.0
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(templates, min(SAMPLE, len(templates)), replace=False))
    embeddings = exactly(sample)
    there = np.isfinite(embeddings).all(axis=1)  # others may have been removed since
    hits = index.search(embeddings[there], 1, exactly, now=-np.inf, pool=pool, templates=True)
    own = np.einsum("nd,nd->n", embeddings[there], embeddings[there])
    right: NDArray[np.bool_] = np.array(
        [
            bool(some) and (some[0].template == t or some[0].similarity >= norm - _SAME)
            for some, t, norm in zip(hits, sample[there].tolist(), own.tolist(), strict=True)
        ],
        np.bool_,
    )
    return float(right.mean()) if len(right) else 1.0


def _living(index: Index) -> Ids:
    parts = [s.rows.templates[s.rows.alive] for s in index.segments]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
