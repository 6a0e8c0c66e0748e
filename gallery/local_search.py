"""Searching a gallery in a folder: the templates most like a probe, as people."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gait.errors import GalleryEmptyError, GalleryError
from gait.modality import Modality
from gallery.admission import checked_probe
from gallery.decision.fusion import WIDER, Fusion, subject_similarity
from gallery.index.index import Index
from gallery.index.live import LiveIndex
from gallery.index.rows import Filter
from gallery.index.search import Hit, similarities_to
from gallery.record import clock
from gallery.store import Store
from gallery.template import Candidate, Vector, iso_time


class LocalSearch:
    """Searches of one gallery.

    Args:
        folder: of the gallery, for errors.
        store: of record.
        live: its index.
        current: brings the index to the store's revision.
    """

    def __init__(
        self, folder: Path, store: Store, live: LiveIndex, current: Callable[[], Index]
    ) -> None:
        self._folder, self._store, self._live, self._current = folder, store, live, current

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Exact.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of a subject's similarities; None for the best. Others are computed for the
                subjects whose best templates are most like the probe.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        query, now = checked_probe(embedding, self._store.dimension), clock.now()
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        ids = None if subjects is None else set(self._store.subject_ids(subjects).values())
        wanted = Filter(modality, ids)
        if fusion in (None, Fusion.BEST):
            hits = self._hits(query, top_k, 0, wanted, now)
        else:
            further = self._hits(query, top_k, WIDER, wanted, now)
            hits = self._fused(further, query, fusion, modality, now)[:top_k]
        found = self._candidates(hits)
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"{self._folder} holds no {what}: enrol someone first")
        return found

    def compare(
        self, embedding: Vector, subject: str, modality: Modality | None = None
    ) -> Candidate:
        """How like a probe one subject is: the template most like it.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        query, now = checked_probe(embedding, self._store.dimension), iso_time(clock.now())
        valid = [
            template
            for template in self._store.templates(subject)
            if template.expires > now and modality in (None, template.modality)
        ]
        if not valid:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"the subject has no {what} that has not expired")
        similarities = self._store.embeddings([template.id for template in valid]) @ query
        best = int(similarities.argmax())
        t = valid[best]
        return Candidate(subject, float(similarities[best]), t.id, t.modality, t.source)

    def _hits(self, query: Vector, top_k: int, further: int, wanted: Filter, now: int) -> list[Hit]:
        queries, index = query[np.newaxis], self._current()
        return self._live.search(queries, top_k, wanted, now, further=further, index=index)[0]

    def _fused(
        self,
        hits: Sequence[Hit],
        query: Vector,
        fusion: Fusion,
        modality: Modality | None,
        now: int,
    ) -> list[Hit]:
        """The hits with their subjects' fused similarities, the most similar first."""
        valid = self._store.valid([hit.subject for hit in hits], modality, now)
        alike = {template: s for hit in hits for template, s in hit.compared.items()}
        unread = [template for template, *_ in valid if template not in alike]
        read = similarities_to(query, self._store.present(unread))
        alike |= dict(zip(unread, read.tolist(), strict=True))
        rated: dict[int, list[tuple[Modality, float]]] = {}
        for template, subject, of in valid:
            if np.isfinite(alike[template]):  # else erased since
                rated.setdefault(subject, []).append((of, alike[template]))
        fused = []
        for hit in hits:
            if hit.subject in rated:
                modalities, similarities = zip(*rated[hit.subject], strict=True)
                similarity = subject_similarity(fusion, similarities, modalities)
                fused.append(replace(hit, similarity=similarity))
        return sorted(fused, key=lambda hit: -hit.similarity)

    def _candidates(self, hits: Sequence[Hit]) -> list[Candidate]:
        described = self._store.described([hit.template for hit in hits])
        found = [(hit, described[hit.template]) for hit in hits if hit.template in described]
        return [Candidate(t.subject, h.similarity, t.id, t.modality, t.source) for h, t in found]
