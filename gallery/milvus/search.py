"""Searching the templates in Milvus: the ones most like a probe, as people."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from gait.errors import GalleryEmptyError, GalleryError
from gait.modality import Modality
from gallery.admission import checked_probe
from gallery.decision.fusion import WIDER, Fusion, subject_similarity
from gallery.health import IndexHealth
from gallery.milvus.address import Address
from gallery.milvus.ledger import Ledger
from gallery.milvus.templates import MOST_FOUND, Templates
from gallery.record import clock
from gallery.template import Candidate, Vector

_SAMPLE = 32
"""Templates searched for by `health`."""
_ALL_EFFORT = {"ef": MOST_FOUND, "nprobe": MOST_FOUND}


class Search:
    """Searches of one gallery."""

    def __init__(self, address: Address, ledger: Ledger, templates: Templates) -> None:
        self._address, self._ledger, self._templates = address, ledger, templates
        self._index = templates.index()

    @property
    def rung(self) -> str:
        """Name of the index in use."""
        return f"milvus {self._index.lower()}"

    def health(self) -> IndexHealth:
        """How well the index finds what is in it, compared with the most thorough search it has."""
        revision, now = self._ledger.state().revision, clock.now()
        valid = f"revision <= {revision} and expires > {now}"
        sample = self._templates.first(valid, _SAMPLE)
        total = self._templates.count(f"revision <= {revision}")
        if not sample:
            return IndexHealth(1.0, 1.0, total, self.rung)
        own = self._templates.embeddings(sample, revision)
        between = own + np.roll(own, 1, axis=0)
        between /= np.linalg.norm(between, axis=1, keepdims=True)
        hits = [
            self._search(e, valid, 1)[0].template == t for e, t in zip(own, sample, strict=True)
        ]
        same = [
            self._search(e, valid, 1)[0].subject == self._search(e, valid, 1, True)[0].subject
            for e in between
        ]
        return IndexHealth(float(np.mean(hits)), float(np.mean(same)), total, self.rung)

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Exact if the index is.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer, and at most
                `MOST_FOUND`.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of a subject's similarities; None for the best. Others are computed for the
                subjects whose best templates are most like the probe.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        query = checked_probe(embedding, self._templates.dimension)
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        valid = self._valid(modality, subjects)
        if fusion in (None, Fusion.BEST):
            found = self._search(query, valid, top_k)
        else:
            found = self._fused(query, valid, top_k, fusion)
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(
                f"{self._address.location} holds no {what}: enrol someone first"
            )
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
        query = checked_probe(embedding, self._templates.dimension)
        self._ledger.one(subject, self._ledger.state().revision)
        found = self._search(query, self._valid(modality, [subject]), 1)
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"the subject has no {what} that has not expired")
        return found[0]

    def _valid(self, modality: Modality | None, subjects: Collection[str] | None) -> str:
        revision = self._ledger.state().revision
        condition = f"revision <= {revision} and expires > {clock.now()}"
        if modality is not None:
            condition += f' and modality == "{modality}"'
        if subjects is not None:
            ids = sorted(name.id for name in self._ledger.named(subjects, revision).values())
            condition += f" and sid in {ids}"
        return condition

    def _search(
        self, query: Vector, condition: str, top_k: int, thorough: bool = False
    ) -> list[Candidate]:
        effort = self._address.searching(self._index, top_k)
        if thorough:
            effort = {name: _ALL_EFFORT[name] for name in effort}
        return self._templates.search(query, condition, top_k, effort)

    def _fused(self, query: Vector, valid: str, top_k: int, fusion: Fusion) -> list[Candidate]:
        found = self._search(query, valid, top_k + WIDER)
        names = self._ledger.named([c.subject for c in found], self._ledger.state().revision)
        rated: dict[str, list[tuple[Modality, float]]] = {}
        condition = f"{valid} and sid in {sorted(name.id for name in names.values())}"
        for subject, modality, similarity in self._templates.rated(condition, query):
            rated.setdefault(subject, []).append((modality, similarity))
        fused = []
        for candidate in found:
            if candidate.subject in rated:  # else it was erased just now
                modalities, similarities = zip(*rated[candidate.subject], strict=True)
                similarity = subject_similarity(fusion, similarities, modalities)
                fused.append(replace(candidate, similarity=similarity))
        return sorted(fused, key=lambda c: -c.similarity)[:top_k]
