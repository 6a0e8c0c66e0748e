"""One similarity of a subject out of those of the subject's templates.

A search finds templates; people are what is asked for. That a rule must stay within a modality and
which is the default was measured (results/trials.md, "Fusing a subject's templates").
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gait.errors import GalleryError
from gait.modality import Modality

TOP = 2
"""Most templates that `top_mean` averages."""
CUT = 2.5
"""Deviations from the median beyond which `trimmed_mean` drops a similarity."""

WIDER = 20
"""Further subjects that are looked at: of 160 simulated people, those that were the first five by
`top_mean` were all among the first 25 by their best template, wrong clips or not; by `trimmed_mean`
in 9 of 10 searches or more."""

_MAD_TO_SIGMA = 1.4826
"""The standard deviation of normally distributed values over their median absolute deviation."""

Similarities = NDArray[np.float64]


class Fusion(StrEnum):
    """How the similarities of a subject's templates become the subject's."""

    BEST = "best"
    """Of the template most like the probe."""
    TOP_MEAN = "top_mean"
    """Mean of the templates most like the probe."""
    TRIMMED_MEAN = "trimmed_mean"
    """Mean of all templates but outliers."""

    def __call__(self, similarities: ArrayLike) -> Similarities:
        """Fuses `(…, n)` similarities, those of one subject and modality in a row, to `(…)`.

        Raises:
            GalleryError: no template.
        """
        match self:
            case Fusion.BEST:
                return best(similarities)
            case Fusion.TOP_MEAN:
                return top_mean(similarities)
            case Fusion.TRIMMED_MEAN:
                return trimmed_mean(similarities)


DEFAULT = Fusion.TOP_MEAN
"""Found at least as often as the best template in every setting measured, up to 15 points more
where clips were enrolled under a wrong name."""


def subject_similarity(
    fusion: Fusion, similarities: ArrayLike, modalities: Sequence[Modality]
) -> float:
    """The similarity of a subject: fused within each modality, then the larger one.

    A probe is always more like templates of its own sensor than like those of the other, so a mean
    over both would say less about the person than about which sensors saw the person before.

    Args:
        fusion: the rule.
        similarities: `(n,)` of the subject's templates, n at least 1.
        modalities: of those templates.

    Raises:
        GalleryError: no template.

    >>> seen = [Modality.SILHOUETTE, Modality.SILHOUETTE, Modality.RANGE_VIEW]
    >>> subject_similarity(Fusion.TRIMMED_MEAN, [0.5, 0.3, 0.1], seen)
    0.4
    """
    values, kinds = _rows(similarities), np.array(modalities)
    return float(max(fusion(values[kinds == kind]) for kind in set(modalities)))


def best(similarities: ArrayLike) -> Similarities:
    """The largest similarity of each row: one template that fits is enough.

    The rule of nearest neighbours: one wrongly enrolled clip makes its subject look like whoever
    walks in it.

    Args:
        similarities: `(…, n)`, n at least 1.

    Returns:
        `(…)` float64.

    Raises:
        GalleryError: n is 0.

    >>> best([0.2, 0.9, 0.4])
    array(0.9)
    """
    return np.asarray(_rows(similarities).max(axis=-1))


def top_mean(similarities: ArrayLike, m: int = TOP) -> Similarities:
    """The mean of the m largest similarities of each row, but of no more than the better half.

    With m = 1 the best template, with m ≥ n/2 the better half of the class. A class's score as the
    mean over its nearest samples is the k-nearest-neighbour rule (Duda, Hart and Stork, "Pattern
    Classification", 2001, section 4.4). The better half, because subjects with few templates must
    not lose to subjects with many; then up to half of the templates may be of somebody else.

    Args:
        similarities: `(…, n)`, n at least 1.
        m: at least 1.

    Returns:
        `(…)` float64.

    Raises:
        GalleryError: n is 0, or m is below 1.

    >>> top_mean([[0.2, 0.9, 0.4], [0.5, 0.5, 0.1]], m=2)
    array([0.65, 0.5 ])
    >>> top_mean([0.8, 0.1], m=2)  # the better half is one
    array(0.8)
    """
    if m < 1:
        raise GalleryError(f"got the mean of the best {m} templates, need at least 1")
    rows = np.sort(_rows(similarities), axis=-1)
    half = (rows.shape[-1] + 1) // 2
    return np.asarray(rows[..., -min(m, half) :].mean(axis=-1))


def trimmed_mean(similarities: ArrayLike, cut: float = CUT) -> Similarities:
    """The mean of each row without its outliers: the class mean that a wrong template cannot move.

    An outlier is further than `cut · 1.4826 · MAD` from the row's median, MAD being the median of
    the absolute deviations from that median (Leys et al., "Detecting outliers: Do not use standard
    deviation around the mean, use absolute deviation around the median", 2013). Rows of one or two
    similarities have none.

    Args:
        similarities: `(…, n)`, n at least 1.
        cut: at least 1, so that at least half of a row stays.

    Returns:
        `(…)` float64.

    Raises:
        GalleryError: n is 0, or `cut` is below 1.

    >>> trimmed_mean([0.5, 0.6, 0.7, -0.4])  # the median is 0.55, its MAD 0.1: −0.4 goes
    array(0.6)
    >>> trimmed_mean([0.1, 0.9])
    array(0.5)
    """
    if not cut >= 1:
        raise GalleryError(f"got outliers beyond {cut} deviations, need at least 1")
    rows = _rows(similarities)
    away = np.abs(rows - np.median(rows, axis=-1, keepdims=True))
    limit = cut * _MAD_TO_SIGMA * np.median(away, axis=-1, keepdims=True)
    return np.asarray(rows.mean(axis=-1, where=away <= limit + 1e-9))


def _rows(similarities: ArrayLike) -> Similarities:
    rows = np.asarray(similarities, np.float64)
    if rows.ndim == 0 or rows.shape[-1] == 0:
        raise GalleryError(f"got similarities of shape {rows.shape}, need at least one template")
    return rows
