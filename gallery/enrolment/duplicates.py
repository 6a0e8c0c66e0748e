"""One person under two names: the same clip, or clips that match somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gait.errors import (
    ClipDuplicateError,
    GalleryEmptyError,
    SubjectDuplicateError,
    SubjectNotFoundError,
)
from gait.modality import Modality
from gait.quality.quality import Mode
from gallery.decision.decision import USUAL, Policy
from gallery.gallery import Found, Gallery
from gallery.template import Candidate, Vector

Embedded = tuple[Modality, Vector]
"""A clip's modality and embedding."""


@dataclass(frozen=True)
class Resemblance:
    """Whom a person's clips match who is enrolled under another name.

    Args:
        by_clip: for each clip, those whom it matches, the most similar first.
        person: whom the clips match taken together, and more than their own person; None if nobody.
    """

    by_clip: list[list[Candidate]]
    person: Candidate | None

    def refuse(self, subject: str, mode: Mode) -> None:
        """Refuses a person's clips that match somebody else, if the mode is strict.

        Args:
            subject: whom the clips are said to show.
            mode: of enrolments.

        Raises:
            SubjectDuplicateError: the mode is strict, and there is such a person.
        """
        if self.person is not None and mode == Mode.STRICT:
            other, similarity = self.person.subject, self.person.similarity
            raise SubjectDuplicateError(
                f"got clips of {subject!r} that match {other!r}, who is enrolled already "
                f"(similarity {similarity:.4f}): if they are one person, enrol the clips under "
                "that name or merge the two people; if they are two, say that this is a new person",
                others=[other],
            )


def resemblance(
    gallery: Gallery, subject: str, clips: Sequence[Embedded], policy: Policy = USUAL
) -> Resemblance:
    """Searches for clips that are about to be enrolled: perhaps one person, enrolled twice.

    A clip alone matches a stranger as often as the policy allows, so people who send many clips
    would often be refused. Taken together, clips match a person if their similarities exceed the
    thresholds of a match on average, which happens to strangers less often than for one clip.

    Args:
        gallery: who is enrolled.
        subject: whose clips they are; need not be enrolled.
        clips: of that person.
        policy: how often strangers may be called somebody.

    Returns:
        Nobody where nothing can be decided.

    Raises:
        GalleryError, CalibrationError: as `Gallery.search`.
    """
    found = [gallery.search(embedding, modality, policy) for modality, embedding in clips]
    by_clip = [_others(each, subject) for each in found]
    best = dict[str, Candidate]()
    for other in sorted((c for some in by_clip for c in some), key=lambda c: c.similarity):
        best[other.subject] = other
    if not best:
        return Resemblance(by_clip, None)
    least = np.array([_least(each) for each in found])
    margins = {name: _mean_margin(gallery, name, clips, least) for name in (*best, subject)}
    name = max(best, key=lambda each: margins[each])
    together = margins[name] >= max(0.0, margins[subject])
    return Resemblance(by_clip, best[name] if together else None)


def _others(found: Found, subject: str) -> list[Candidate]:
    least = _least(found)
    return [c for c in found.candidates if c.subject != subject and c.similarity >= least]


def _least(found: Found) -> float:
    thresholds = found.decision.thresholds
    return np.inf if thresholds is None else thresholds.match.similarity


def _mean_margin(
    gallery: Gallery,
    name: str,
    clips: Sequence[Embedded],
    least: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> float:
    """By how much clips exceed their thresholds on average; −∞ if nobody of that name has a
    template that has not expired."""
    try:
        similarities = [gallery.compare(e, name, probe=probe).similarity for probe, e in clips]
    except (SubjectNotFoundError, GalleryEmptyError):
        return -np.inf
    return float(np.mean(similarities - least))


def others_with(gallery: Gallery, subject: str, digest: str) -> list[str]:
    """Names other than the subject's under which the clip with this digest is enrolled."""
    return [name for name in gallery.holders(digest) if name != subject]


def refuse_duplicate(subject: str, others: Sequence[str], mode: Mode) -> None:
    """Refuses a clip that others are enrolled by, if the mode is strict.

    Args:
        subject: whom the clip is said to show.
        others: who is enrolled by it already, see `others_with`.
        mode: of enrolments.

    Raises:
        ClipDuplicateError: the mode is strict and there are others.
    """
    if others and mode == Mode.STRICT:
        raise ClipDuplicateError(
            f"got a clip for {subject!r} that is enrolled under {', '.join(map(repr, others))} "
            "already: enrol it under one name, or merge the two people",
            others=list(others),
        )
