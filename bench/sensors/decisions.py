"""What a bundle's own thresholds decide before sensors that they were not calibrated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.sensors.rank import Embedded
from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.search.cohort import Cohort
from gallery.search.fusion import DEFAULT

RATE = 0.01
"""FPIR that is wanted."""


@dataclass(frozen=True)
class Decided:
    """Decisions about probes, percent of all probes.

    Args:
        called: called somebody else, were their person not enrolled (FPIR; `RATE` is wanted).
        missed: not found, or found and not called a match (FNIR).
    """

    called: float
    missed: float


def decided(
    probes: tuple[Modality, Embedded],
    gallery: tuple[Modality, Embedded],
    people: int,
    cohort: Cohort | None,
    calibration: Calibration,
) -> Decided:
    """Decides about every probe among templates of other views than its own.

    Args:
        probes: their modality, and they.
        gallery: likewise.
        people: how many; each probes from every view of the gallery. A probe that is not there is
            missed.
        cohort: of the bundle.
        calibration: of the bundle.
    """
    (seen_by, some), (held_by, templates) = probes, gallery
    similarity = some.vectors @ templates.vectors.T
    if cohort is not None:
        similarity = similarity - _taken(cohort, seen_by, some, held_by)[:, np.newaxis]
        similarity = similarity - _taken(cohort, held_by, templates, seen_by)
    views = np.unique(templates.views)
    fused = np.full((len(some.people), people), -np.inf)
    for view in views:
        row = some.views == view
        for person in range(people):
            other = (templates.people == person) & (templates.views != view)
            if other.any():
                fused[row, person] = DEFAULT(similarity[np.ix_(row, other)])
    own = np.zeros(fused.shape, bool)
    own[np.arange(len(fused)), some.people] = True
    pair = calibration.pair(seen_by, held_by.value, len(views) - 1)
    alone = fused[own] >= fused.max(axis=1)
    least = pair.threshold(RATE, people).similarity
    found = int((alone & (fused[own] >= least)).sum())
    others = np.where(own, -np.inf, fused).max(axis=1)
    called = int((others >= pair.threshold(RATE, people - 1).similarity).sum())
    count = people * len(views)
    return Decided(_percent(called / count), _percent(1 - found / count))


def _taken(
    cohort: Cohort, modality: Modality, walks: Embedded, other: Modality
) -> NDArray[np.float64]:
    shares = cohort.shares(np.full(len(walks.vectors), str(modality)), walks.vectors)
    return np.asarray(shares[:, list(Modality).index(other)], np.float64)


def _percent(part: float) -> float:
    return round(100 * part, 1)
