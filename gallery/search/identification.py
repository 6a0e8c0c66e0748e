"""From a probe to people: templates that the index proposes, compared exactly, fused by subject.

The index says where to look. Similarities are inner products with embeddings from the record,
decrypted, so they are the same to the bit whatever the index is and however late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gait.modality import Modality
from gallery.index.codes import rotated
from gallery.index.interface import Index
from gallery.record.plain_template import PlainTemplate
from gallery.record.reading import RecordReader
from gallery.record.sealing import Held, Row
from gallery.search.cohort import Cohort
from gallery.search.expiry import has_expired
from gallery.search.fusion import WIDER, Fusion
from gallery.template import Candidate, Vector

COMPARED = 64
"""Templates, at least, that are compared exactly with a probe (docs/gallery.md)."""
_EACH = 2
"""Templates, at least, for each subject wanted."""
_GROWTH = 1.5
_AHEAD = 8
"""Times as many templates are proposed as are compared first: a scan costs the same for many, and
often the list grows."""


class Rated(NamedTuple):
    """A template and its exact similarity to the probe."""

    row: Row
    similarity: float


@dataclass(frozen=True)
class Normaliser:
    """Takes off what everybody has of a similarity, see `gallery.search.cohort`.

    Args:
        cohort: of the bundle.
        probe: embedding `(dimension,)` float32.
        modality: of the probe.
    """

    cohort: Cohort
    probe: Vector
    modality: Modality

    @cached_property
    def _own(self) -> dict[str, float]:
        """The probe's part, by the modality of the templates; of those that there were so far."""
        return {}

    def shares(self, rows: Sequence[Row], templates: Sequence[PlainTemplate]) -> Iterator[float]:
        """What is taken off the similarity of the probe to each template.

        Templates bring their own part with them, unless they were enrolled without this cohort.
        """
        own, cohort, place = self._own, self.cohort.id, list(Modality).index(self.modality)
        for row, (_, embedding, shares) in zip(rows, templates, strict=True):
            if shares is None or shares.cohort != cohort:
                shares = self.cohort.of_template(Modality(row.modality), embedding)
            if row.modality not in own:
                seen_by = Modality(row.modality)
                own[row.modality] = self.cohort.share(self.modality, self.probe, seen_by)
            yield own[row.modality] + shares.values[place]


@dataclass(frozen=True)
class Identification:
    """One search for one probe.

    Args:
        record: that similarities come from.
        index: that proposes.
        probe: embedding `(dimension,)` float32.
        modality: of the templates to search; None for both.
        now: seconds since 1970; what has expired by then is not found.
        normaliser: of similarities; None to leave them as they are.
    """

    record: RecordReader
    index: Index
    probe: Vector
    modality: Modality | None
    now: int
    normaliser: Normaliser | None = None

    def among_all(self, top_k: int, fusion: Fusion) -> list[Candidate]:
        """The `top_k` enrolled subjects most like the probe, the most similar first."""
        further = 0 if fusion == Fusion.BEST else WIDER
        rated = self._enough(top_k, further)
        if further:
            subjects = list(dict.fromkeys(each.row.subject for each in rated))[: top_k + further]
            chosen = set(subjects)
            rated = [each for each in rated if each.row.subject in chosen]
            read = [each.row.id for each in rated]
            rated += self.rated(self.record.whole_of(subjects, but=read))
        return fused(rated, fusion)[:top_k]

    def among(self, subjects: Sequence[int], fusion: Fusion) -> list[Candidate]:
        """All of some subjects, the most similar first; every template of theirs is compared."""
        return fused(self.rated(self.record.whole_of(subjects)), fusion)

    def rated(self, held: Sequence[Held]) -> list[Rated]:
        """Those templates that may be found, with their similarities, in the given order."""
        valid = [each for each in held if self._valid(each.row)]
        rows, templates = self.record.opened(valid)
        if not rows:
            return []
        similarities = similarities_to(self.probe, [each.embedding for each in templates]).tolist()
        if self.normaliser is not None:
            shares = self.normaliser.shares(rows, templates)
            similarities = [s - share for s, share in zip(similarities, shares, strict=True)]
        return [Rated(row, s) for row, s in zip(rows, similarities, strict=True)]

    def _valid(self, row: Row) -> bool:
        return not has_expired(row, self.now) and self.modality in (None, row.modality)

    def proposed(self, count: int) -> list[Rated]:
        """What the index proposes, at most `count` templates, the most similar first."""
        proposed = self._templates(count)
        return sorted(self.rated(self.record.whole(proposed)), key=_order)

    def _templates(self, count: int) -> list[int]:
        (probe,) = rotated(self.probe[np.newaxis])
        proposed: list[int] = self.index.propose(probe, count, self.modality).tolist()
        return proposed

    def _enough(self, top_k: int, further: int) -> list[Rated]:
        """Templates of at least `top_k` subjects, and of further ones, the most similar first.

        The list that is compared grows until it holds so many subjects, and the last of them
        stands clearly before its end: by then a template further down could not matter.
        """
        count, proposed, complete = max(COMPARED, _EACH * (top_k + further)), list[int](), False
        compared, seen = list[Rated](), set[int]()
        while True:
            if count > len(proposed) and not complete:
                proposed = self._templates(_AHEAD * count)
                complete = len(proposed) < _AHEAD * count
            new = [template for template in proposed[:count] if template not in seen]
            seen.update(new)
            compared = sorted(compared + self.rated(self.record.whole(new)), key=_order)
            everything = complete and count >= len(proposed)
            if everything or self._sure(compared, proposed[:count], top_k):
                return compared
            count = int(_GROWTH * count)

    def _sure(self, compared: Sequence[Rated], proposed: Sequence[int], wanted: int) -> bool:
        firsts = dict[int, float]()
        for each in compared:
            firsts.setdefault(each.row.subject, each.similarity)
        if len(firsts) < wanted:
            return False
        last, later = list(firsts.values())[wanted - 1], set(proposed[2 * len(proposed) // 3 :])
        return not any(e.similarity >= last and e.row.id in later for e in compared)


def fused(rated: Sequence[Rated], fusion: Fusion) -> list[Candidate]:
    """One candidate a subject, the most similar first; equally similar ones by template.

    A subject's similarity is `gallery.search.fusion.subject_similarity` of its templates: fused
    within each modality, then the larger one. Subjects with as many templates are fused together.
    """
    by_subject = dict[int, list[Rated]]()
    for each in sorted(rated, key=_order):
        by_subject.setdefault(each.row.subject, []).append(each)
    alike = dict[int, dict[int, list[float]]]()  # by number of templates, by subject
    similarity = dict.fromkeys(by_subject, -np.inf)
    for modality in Modality:
        alike.clear()
        for subject, templates in by_subject.items():
            values = [each.similarity for each in templates if each.row.modality == modality]
            if values:
                alike.setdefault(len(values), {})[subject] = values
        for rows in alike.values():
            for subject, value in zip(rows, fusion(list(rows.values())).tolist(), strict=True):
                similarity[subject] = max(similarity[subject], value)
    found = [_candidate(each[0].row, similarity[subject]) for subject, each in by_subject.items()]
    return sorted(found, key=lambda candidate: (-candidate.similarity, candidate.template))


def similarities_to(probe: Vector, embeddings: Sequence[Vector]) -> Vector:
    """Inner products `(n,)`; each is the same whatever the other rows are."""
    matrix = np.concatenate(embeddings).reshape(-1, len(probe))
    similarities: Vector = np.einsum("nd,d->n", matrix, probe)
    return similarities


def _candidate(best: Row, similarity: float) -> Candidate:
    return Candidate(best.name, similarity, best.id, Modality(best.modality), best.source)


def _order(rated: Rated) -> tuple[float, int]:
    return -rated.similarity, rated.row.id
