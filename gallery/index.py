"""Exact search, held in memory: a projection of the store that can be made again at any time.

An `Index` never changes: a write makes a new one that shares what is unchanged, so searches go on
undisturbed on the one they started with.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from gait.modality import Modality
from gallery.template import Candidate, Matrix, Template, Vector


@dataclass(frozen=True, eq=False)
class Segment:
    """Templates and, in the same order, a FAISS flat inner-product index of their embeddings."""

    templates: tuple[Template, ...]
    flat: faiss.IndexFlatIP

    @classmethod
    def of(cls, templates: Sequence[Template], embeddings: Matrix) -> "Segment":
        """A segment of templates and their embeddings `(n, dimension)`."""
        flat = faiss.IndexFlatIP(embeddings.shape[1])
        flat.add(np.ascontiguousarray(embeddings))
        return cls(tuple(templates), flat)

    def embeddings(self) -> Matrix:
        """A copy of the embeddings, `(n, dimension)`."""
        vectors: Matrix = self.flat.reconstruct_n(0, len(self.templates))
        return vectors

    def joined(self, other: "Segment") -> "Segment":
        """One segment with the templates of both."""
        embeddings = np.concatenate([self.embeddings(), other.embeddings()])
        return Segment.of(self.templates + other.templates, embeddings)

    def without(self, subject: str) -> "Segment":
        """The segment less a subject; itself if the subject is not in it."""
        keep = [row for row, t in enumerate(self.templates) if t.subject != subject]
        if len(keep) == len(self.templates):
            return self
        return Segment.of([self.templates[row] for row in keep], self.embeddings()[keep])

    def search(
        self, query: Vector, top_k: int, admits: Callable[[Template], bool]
    ) -> list[Candidate]:
        """The `top_k` subjects most like the query, each with its best admitted template."""
        total = len(self.templates)
        asked = min(total, 4 * top_k)
        while True:
            similarities, rows = self.flat.search(query[np.newaxis], asked)
            best: dict[str, Candidate] = {}
            for similarity, row in zip(similarities[0].tolist(), rows[0].tolist(), strict=True):
                t = self.templates[row]
                if not admits(t):
                    continue
                found = Candidate(t.subject, similarity, t.id, t.modality, t.source)
                best.setdefault(t.subject, found)
            if len(best) >= top_k or asked == total:
                return list(best.values())[:top_k]
            asked = min(total, 4 * asked)  # some subject has many templates: look further


@dataclass(frozen=True, eq=False)
class Index:
    """All templates of a store at one revision.

    Each modality has a few segments whose sizes at least halve from one to the next, so that a
    template is copied O(log n) times as the gallery grows.
    """

    revision: int
    segments: dict[Modality, tuple[Segment, ...]]

    @property
    def last(self) -> int:
        """Largest template id; 0 if there is none."""
        return max((s.templates[-1].id for m in Modality for s in self.segments[m]), default=0)

    @classmethod
    def of(cls, revision: int, templates: Sequence[Template], embeddings: Matrix) -> "Index":
        """An index of templates and their embeddings `(n, dimension)`."""
        return cls(revision, dict.fromkeys(Modality, ())).plus(revision, templates, embeddings)

    def plus(self, revision: int, templates: Sequence[Template], embeddings: Matrix) -> "Index":
        """The index with more templates, at a later revision."""
        segments = dict(self.segments)
        for modality in Modality:
            rows = [row for row, t in enumerate(templates) if t.modality is modality]
            if rows:
                new = Segment.of([templates[row] for row in rows], embeddings[rows])
                segments[modality] = _compacted([*segments[modality], new])
        return Index(revision, segments)

    def without(self, revision: int, subject: str) -> "Index":
        """The index less a subject, at a later revision."""
        left = {m: [s.without(subject) for s in self.segments[m]] for m in Modality}
        return Index(revision, {m: _compacted(s for s in left[m] if s.templates) for m in Modality})

    def search(
        self,
        query: Vector,
        top_k: int,
        modalities: Iterable[Modality],
        admits: Callable[[Template], bool] = lambda _: True,
    ) -> list[Candidate]:
        """The `top_k` subjects most like the query among templates of the modalities.

        Exact: a subject among the best `top_k` of all is among the best of the segment that holds
        its best template.

        Args:
            query: `(dimension,)` float32.
            top_k: subjects wanted; fewer are returned if there are fewer.
            modalities: of the templates to search.
            admits: whether a template may be found.

        Returns:
            Candidates, the most similar first; equally similar ones by template id.
        """
        found = [
            candidate
            for modality in modalities
            for segment in self.segments[modality]
            for candidate in segment.search(query, top_k, admits)
        ]
        best: dict[str, Candidate] = {}
        for candidate in sorted(found, key=lambda c: (-c.similarity, c.template)):
            best.setdefault(candidate.subject, candidate)
        return list(best.values())[:top_k]


def _compacted(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    compact: list[Segment] = []
    for segment in segments:
        compact.append(segment)
        while len(compact) > 1 and len(compact[-2].templates) < 2 * len(compact[-1].templates):
            last = compact.pop()
            compact.append(compact.pop().joined(last))
    return tuple(compact)
