"""Which template leaves when a subject has more of one modality than the gallery keeps.

What to keep was measured (results/trials.md, "Which templates to keep").
"""

from collections.abc import Collection
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gait.errors import GalleryError
from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Matrix


class Retention(StrEnum):
    """What a capped subject keeps."""

    NEWEST = "newest"
    """The oldest template leaves."""
    DIVERSE = "diverse"
    """Of the two most alike, the one that is more like a third leaves: views stay covered."""
    CENTRAL = "central"
    """The template least like the others leaves: wrong and poor ones first."""


def leaving(retention: Retention, embeddings: Matrix) -> int:
    """Which of a subject's templates of one modality leaves.

    Args:
        retention: what to keep.
        embeddings: `(n, dimension)` unit vectors, oldest first, n at least 1.

    Returns:
        Its row; of equally good ones the oldest.

    Raises:
        GalleryError: there is no template.

    >>> x = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [-1, 0]], np.float32)
    >>> [leaving(retention, x) for retention in Retention]
    [0, 1, 3]
    """
    if not len(embeddings):
        raise GalleryError("got no template, need at least one that can leave")
    if retention == Retention.NEWEST or len(embeddings) == 1:
        return 0
    alike = embeddings @ embeddings.T
    np.fill_diagonal(alike, 0 if retention == Retention.CENTRAL else -np.inf)
    if retention == Retention.CENTRAL:
        return int(alike.sum(axis=1).argmin())
    return _most_redundant(alike)


def _most_redundant(alike: NDArray[np.float32]) -> int:
    """The row whose similarities to the others, the largest first, are the greatest in order."""
    ordered = -np.sort(-alike, axis=1)
    rows = range(len(alike))
    return max(rows, key=lambda row: (tuple(ordered[row].tolist()), -row))


def keep_within(
    gallery: Gallery,
    subjects: Collection[str],
    cap: int,
    retention: Retention = Retention.CENTRAL,
) -> list[int]:
    """Erases what subjects have beyond `cap` templates of a modality, one after the other.

    If the process dies in between, the next enrolment of the subject goes on.

    Args:
        gallery: open for writing.
        subjects: who may have too many.
        cap: templates of one subject and modality, at least 1.
        retention: what to keep.

    Returns:
        Ids of the templates that were erased.

    Raises:
        GalleryError: `cap` is below 1.
    """
    if cap < 1:
        raise GalleryError(f"got a cap of {cap} templates, need at least 1")
    return [
        template
        for subject in subjects
        for modality in Modality
        for template in _erased(gallery, subject, modality, cap, retention)
    ]


def _erased(
    gallery: Gallery, subject: str, modality: Modality, cap: int, retention: Retention
) -> list[int]:
    held = [t.id for t in gallery.templates(subject) if t.modality is modality]
    erased = list[int]()
    while len(held) > cap:
        gone = held.pop(leaving(retention, gallery.embeddings(held)))
        gallery.remove_template(gone)
        erased.append(gone)
    return erased
