"""Simulated people enrolled at random, again and again: fusion is measured on them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import Walks
from gait.errors import DataError
from gait.modality import Modality

Fault = Literal["none", "wrong", "poor"]

ENROLLED_VIEWS = ("045", "135", "225", "315")
"""Views enrolled; the others are probed."""


@dataclass(frozen=True)
class EnrolmentPlan:
    """How people are enrolled.

    Args:
        counts: templates of a person; one is drawn of several.
        sensors: only the other sensor than the probe's, or both in turn.
        fault: what may be the matter with a template: somebody else's clip, or a clip of three
            frames.
        share: of such templates.
    """

    counts: tuple[int, ...]
    sensors: Literal["other", "both"] = "other"
    fault: Fault = "none"
    share: float = 0.0


@dataclass(frozen=True)
class EnrolmentDraw:
    """One draw: each person's templates, in the order of enrolment.

    Args:
        rows: per person, `(n,)` rows of `People.templates`.
        modalities: per person, `(n,)` indices into `Modality`.
    """

    rows: list[NDArray[np.intp]]
    modalities: list[NDArray[np.intp]]


class People:
    """The people of some walks: the last walk in the views not enrolled is the probe.

    Attributes:
        count: people.
        templates: `(4 n, dimension)`: whole silhouettes, whole range views, short ones of both.

    Raises:
        DataError: fewer than two walks, or no view to probe.
    """

    def __init__(self, walks: Walks) -> None:
        self._walks = walks
        names, self._who = np.unique(walks.subjects, return_inverse=True)
        self.count = len(names)
        last = walks.types == np.unique(walks.types)[-1]
        shown = np.isin(walks.views, ENROLLED_VIEWS)
        self._enrolled, self._probes = np.flatnonzero(~last & shown), np.flatnonzero(last & ~shown)
        if not len(self._enrolled) or not len(self._probes):
            raise DataError(
                f"need two walks or more of each person, in the views {' '.join(ENROLLED_VIEWS)} "
                "and in others to probe"
            )
        kinds = (walks.whole, walks.short)
        self.templates = np.concatenate([kind[m] for kind in kinds for m in Modality])

    @property
    def most(self) -> int:
        """Templates of one modality that every person has."""
        return int(np.bincount(self._who[self._enrolled], minlength=self.count).min())

    def probes(self, modality: Modality) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Probe embeddings `(q, dimension)`, and `(q,)` whose they are."""
        return self._walks.whole[modality][self._probes], self._who[self._probes]

    def enrol(
        self, enrolled: EnrolmentPlan, probe: Modality, rng: np.random.Generator
    ) -> EnrolmentDraw:
        """Draws everybody's templates."""
        people = [self._templates(person, enrolled, probe, rng) for person in range(self.count)]
        return EnrolmentDraw(*map(list, zip(*people, strict=True)))

    def _templates(
        self, person: int, enrolled: EnrolmentPlan, probe: Modality, rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        n, walks = int(rng.choice(enrolled.counts)), len(self._walks)
        walk = rng.choice(self._enrolled[self._who[self._enrolled] == person], n, replace=False)
        other = list(Modality).index(probe.counterpart)
        sensors = np.full(n, other)
        if enrolled.sensors == "both":
            sensors = rng.permutation((other + np.arange(n)) % 2)
        faulty = rng.random(n) < enrolled.share
        if enrolled.fault == "wrong":
            walk = np.where(faulty, rng.choice(self._enrolled, n), walk)
        short = 2 * walks * (faulty & (enrolled.fault == "poor"))
        return walk + sensors * walks + short, sensors
