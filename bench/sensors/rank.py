"""Rank-1 of one sensor's probes among another's templates, with an interval over people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.open_set import over_people

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embedded:
    """Walks of one sensor as embeddings.

    Args:
        vectors: `(n, d)` of unit length.
        people, views: `(n,)`.
    """

    vectors: Vectors
    people: NDArray[np.intp]
    views: NDArray[np.str_]


@dataclass(frozen=True)
class Score:
    """Rank-1 in percent, its 95 % interval over people, and how many probes; and, of a bundle with
    a calibration, what it decides (`bench.sensors.decisions.Decided`)."""

    rank1: float
    low: float
    high: float
    probes: int
    called: float | None = None
    missed: float | None = None


def rank1(probes: Embedded, gallery: Embedded, people: int) -> Score:
    """Share of probes whose nearest template, of those from other views, is their person's.

    A probe is missed that is not there, since its sensor saw nothing or its file was refused.
    The interval is over people (`gait.open_set.over_people`).

    Args:
        probes: walks that are looked for.
        gallery: those among which they are.
        people: how many; each probes from every view of the gallery.
    """
    similarity = probes.vectors @ gallery.vectors.T
    similarity[probes.views[:, None] == gallery.views] = -np.inf
    right = gallery.people[similarity.argmax(axis=1)] == probes.people
    hits = np.bincount(probes.people, right, people)
    each = np.arange(len(np.unique(gallery.views)))  # probes of a person, the found ones first
    outcomes = each < hits[:, None]
    rates = over_people(outcomes.ravel(), np.repeat(np.arange(people), len(each)))
    found, low, high = (round(100 * rate, 1) for rate in rates)
    return Score(found, low, high, outcomes.size)
