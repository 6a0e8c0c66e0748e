"""A store of embeddings in memory, as an index sees it, and a search of it row by row."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.index.rows import Change, Filter, Ids
from gallery.template import Batch, Matrix, Vector

FOREVER = 2**40


def unit(vectors: NDArray[np.floating]) -> Matrix:
    """Rows scaled to norm 1."""
    scaled: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def walks(subjects: int, each: int, dimension: int, seed: int = 0) -> Matrix:
    """Embeddings of `subjects` people in a row, `each` of every one: cosine about 0.8 within."""
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((subjects, dimension)).repeat(each, axis=0)
    return unit(people + 0.5 * rng.standard_normal(people.shape))


class MemorySource:
    """Templates in a dictionary. Numbers are never used twice."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.kept: dict[int, tuple[int, int, int, Vector]] = {}
        self.writes, self.built, self._last = 0, 0, 0

    def revision(self) -> int:
        """How many writes there have been."""
        return self.writes

    def size(self) -> int:
        """How many templates there are."""
        return len(self.kept)

    def add(
        self,
        embeddings: Matrix,
        subjects: Sequence[int],
        modalities: Sequence[int] | None = None,
        expires: Sequence[int] | None = None,
    ) -> Batch:
        """Adds templates; modalities are places in `list(Modality)`."""
        count = len(embeddings)
        first, self._last = self._last + 1, self._last + count
        batch = Batch(
            np.arange(first, first + count),
            np.array(subjects, np.int64),
            np.array(modalities or [0] * count, np.uint8),
            np.array(expires or [FOREVER] * count, np.int64),
            embeddings,
        )
        for t, s, m, e, vector in zip(*batch, strict=True):
            self.kept[int(t)] = (int(s), int(m), int(e), vector)
        self.writes += 1
        return batch

    def remove(self, subject: int) -> list[int]:
        """Removes a subject's templates and returns their numbers."""
        gone = [t for t, (s, *_) in self.kept.items() if s == subject]
        for template in gone:
            del self.kept[template]
        self.writes += 1
        return gone

    def change(self, change: Change) -> None:
        """Changes subject or expiry of templates."""
        for t in change.templates.tolist():
            s, m, e, vector = self.kept[t]
            s = s if change.subject is None else change.subject
            self.kept[t] = (s, m, e if change.expires is None else change.expires, vector)
        self.writes += 1

    def batches(self, size: int) -> Iterator[Batch]:
        """All templates, by number."""
        self.built += 1
        ids = sorted(self.kept)
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            s, m, e, vectors = zip(*(self.kept[t] for t in some), strict=True)
            yield Batch(
                np.array(some, np.int64),
                np.array(s, np.int64),
                np.array(m, np.uint8),
                np.array(e, np.int64),
                np.stack(vectors),
            )

    def present(self, templates: Ids) -> Matrix:
        """Embeddings; NaN for what is not there."""
        nothing = np.full(self.dimension, np.nan, np.float32)
        found = [self.kept[t][3] if t in self.kept else nothing for t in templates.tolist()]
        return np.stack(found) if found else np.empty((0, self.dimension), np.float32)

    def naive(
        self, query: Vector, top_k: int, wanted: Filter, now: float
    ) -> list[tuple[int, int, float]]:
        """Subject, template and similarity of the `top_k` most alike, template by template."""
        modalities = list(Modality)
        ranked = sorted(
            (-float(vector @ query), t, s)
            for t, (s, m, e, vector) in self.kept.items()
            if e > now
            and wanted.modality in (None, modalities[m])
            and (wanted.subjects is None or s in wanted.subjects)
        )
        best: dict[int, tuple[int, int, float]] = {}
        for distance, template, subject in ranked:
            best.setdefault(subject, (subject, template, -distance))
        return list(best.values())[:top_k]
