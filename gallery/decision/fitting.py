"""Makes a calibration from embedded clips of people whose names are known."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gait.errors import CalibrationError
from gait.modality import Modality
from gait.open_set import Scores, interval
from gallery.decision.calibration import Calibration, Curve, Enrolled, Pair
from gallery.decision.strangers import Strangers, strangers
from gallery.decision.tail import (
    TAIL,
    TAIL_PEOPLE,
    fit_tail,
    smallest_rate,
)
from gallery.search.cohort import Cohort
from gallery.search.fusion import DEFAULT

TEMPLATES = (1, 2, 4, 8)
"""Numbers of templates that are calibrated, as far as the clips go."""
MIXED: Enrolled = "mixed"
_GROUPS = 10
"""Groups of people that are left out in turn."""
_SIGMAS = 1.96
"""Deviations to either side in a 95 % interval."""
_RATES = np.geomspace(0.5, 1e-6, 40)

Numbers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """Embedded clips of people whose names are known.

    Args:
        subjects: `(n,)` whose they are.
        sessions: `(n,)` on which walk each was taken; clips of one walk are alike.
        modalities: `(n,)`.
        embeddings: `(n, dimension)` float32.
        shares: `(n, 2)` what is taken off similarities to clips of each modality; None for nothing.
    """

    subjects: NDArray[np.str_]
    sessions: NDArray[np.str_]
    modalities: NDArray[np.str_]
    embeddings: NDArray[np.float32]
    shares: Scores | None = None

    def normalised(self, cohort: Cohort | None) -> "LabelledClips":
        """The same clips, their similarities normalised by a cohort, if there is one."""
        shares = None if cohort is None else cohort.shares(self.modalities, self.embeddings)
        return replace(self, shares=shares)

    def only(self, kept: NDArray[np.bool_]) -> "LabelledClips":
        """Some of the clips."""
        return LabelledClips(
            self.subjects[kept],
            self.sessions[kept],
            self.modalities[kept],
            self.embeddings[kept],
            None if self.shares is None else self.shares[kept],
        )

    def and_also(self, others: "LabelledClips") -> "LabelledClips":
        """These clips and others, both normalised or neither."""
        shares = None
        if self.shares is not None and others.shares is not None:
            shares = np.concatenate([self.shares, others.shares])
        return LabelledClips(
            np.concatenate([self.subjects, others.subjects]),
            np.concatenate([self.sessions, others.sessions]),
            np.concatenate([self.modalities, others.modalities]),
            np.concatenate([self.embeddings, others.embeddings]),
            shares,
        )

    def later(self) -> NDArray[np.bool_]:
        """Which clips are probes: those of the later half of each person's walks."""
        probes = np.zeros(len(self.subjects), np.bool_)
        for subject in np.unique(self.subjects):
            own = self.subjects == subject
            walks = np.unique(self.sessions[own])
            probes |= own & np.isin(self.sessions, walks[(len(walks) + 1) // 2 :])
        return probes


@dataclass(frozen=True, eq=False)
class Compared:
    """Probes of one modality compared with everybody, enrolled in one way.

    Args:
        whose: `(q,)` person of each probe.
        similarities: `(q, people)` of each probe with each person.
        enrolled_by: `(people,)` modality of each person's templates.
    """

    whose: Numbers
    similarities: Scores
    enrolled_by: NDArray[np.str_]

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.enrolled_by)

    def ranked(self) -> tuple[Scores, Numbers]:
        """`(q, people − 1)` similarity of each probe to everybody else, falling, and to whom."""
        rows = self.similarities.copy()
        rows[np.arange(len(rows)), self.whose] = -np.inf
        order = np.argsort(-rows, axis=1)[:, :-1]
        return np.take_along_axis(rows, order, axis=1), order

    def drawn(self, rng: np.random.Generator) -> tuple[Scores, Scores]:
        """One probe of each person, drawn at random, and a gallery of others in random order.

        Returns:
            `(people, people − 1)` similarity of the best of the first 1, 2, … others, and
            `(people,)` similarity of the person.
        """
        order = rng.permutation(len(self.whose))
        _, first = np.unique(self.whose[order], return_index=True)
        rows = self.similarities[order[first]]
        places = rng.random(rows.shape)
        np.fill_diagonal(places, np.inf)
        others = np.argsort(places, axis=1)[:, :-1]
        best = np.maximum.accumulate(np.take_along_axis(rows, others, axis=1), axis=1)
        return best, np.diag(rows).copy()


def compared(
    clips: LabelledClips, probe: Modality, enrolled: Enrolled, templates: int, seed: int = 0
) -> Compared:
    """Enrols everybody with as many templates and compares the probes with all of them.

    Only people count that have a probe of the modality and as many other clips of each modality
    that they may be enrolled by. `mixed` enrols every person by one sensor, half of them by each.

    Raises:
        CalibrationError: fewer than two such people.
    """
    later, rng = clips.later(), np.random.default_rng(seed)
    ways = list(Modality) if enrolled == MIXED else [Modality(enrolled)]
    rows = dict[Modality, dict[str, Numbers]]()
    names = set(clips.subjects[later & (clips.modalities == probe)].tolist())
    for way in ways:
        usable = np.flatnonzero(~later & (clips.modalities == way))
        rows[way] = {}
        for name in np.unique(clips.subjects[usable]):
            own = usable[clips.subjects[usable] == name]
            if len(own) >= templates:
                rows[way][str(name)] = rng.choice(own, templates, replace=False)
        names &= set(rows[way])
    if len(names) < 2:
        raise CalibrationError(
            f"got {len(names)} people with {probe} probes and {templates} templates of "
            f"{' and '.join(ways)}, need two or more"
        )
    people = sorted(names)
    by = rng.permutation(np.arange(len(people)) % len(ways))
    chosen = np.stack([rows[ways[way]][name] for way, name in zip(by, people, strict=True)])
    probes = np.flatnonzero(later & (clips.modalities == probe) & np.isin(clips.subjects, people))
    similarities = clips.embeddings[probes] @ clips.embeddings[chosen.ravel()].T
    similarities = similarities.reshape(len(probes), len(people), templates)
    if clips.shares is not None:
        ways_of = np.array([list(Modality).index(way) for way in ways])[by]
        similarities = similarities - clips.shares[probes][:, ways_of, np.newaxis]
        similarities -= clips.shares[chosen, list(Modality).index(probe)]
    fused = DEFAULT(similarities)
    sensors = np.array([str(way) for way in ways])[by]
    return Compared(np.searchsorted(people, clips.subjects[probes]), fused, sensors)


def calibrate(
    clips: LabelledClips,
    *,
    contract: str,
    simulated: bool,
    data: str,
    cohort: Cohort | None = None,
    seed: int = 0,
) -> Calibration:
    """Calibrates every pair of modalities, and the mixed gallery, as far as the clips suffice.

    Each person in turn is a stranger to galleries of others. Their best similarities give the order
    statistics, averaged over all galleries that the others make up (`gallery.decision.strangers`).

    Raises:
        CalibrationError: too few people for any pair.
    """
    pairs = list(_pairs(clips.normalised(cohort), seed))
    least = 2 * TAIL_PEOPLE
    if not pairs:
        raise _too_few(clips, least)
    people = max(pair.people for pair in pairs)
    return Calibration(
        contract=contract,
        cohort=None if cohort is None else cohort.sha256,
        simulated=simulated,
        people=people,
        data=data,
        pairs=tuple(pairs),
    )


def _too_few(clips: LabelledClips, needed: int) -> CalibrationError:
    """Says what was taken for walks, which the clips' paths tell."""
    people, walks = np.unique(clips.subjects), np.unique(clips.sessions)
    again = sum(len(np.unique(clips.sessions[clips.subjects == each])) > 1 for each in people)
    some = ", ".join(walks[:5]) + ", …" * (len(walks) > 5)
    return CalibrationError(
        f"got clips of {len(people)} people, need {needed} or more with two walks each: one to "
        f"enrol, one to search for. {again} people have two, and there are {len(walks)} walks by "
        f"name ({some}): a walk is what stands directly in a person's folder, and in a CSV file "
        "each path, or what the column `walk` says",
        people=len(people),
        needed=needed,
    )


def _pairs(clips: LabelledClips, seed: int) -> Iterator[Pair]:
    ways: tuple[Enrolled, ...] = ("silhouette", "range_view", MIXED)
    for probe in Modality:
        for enrolled in ways:
            for templates in TEMPLATES:
                try:
                    one = compared(clips, probe, enrolled, templates, seed)
                except CalibrationError:
                    break  # nor will there be enough with more templates
                if one.people < 2 * TAIL_PEOPLE:
                    break
                curves = tuple(_curves(one))
                yield Pair(
                    probe=probe,
                    enrolled=enrolled,
                    templates=templates,
                    people=one.people,
                    curves=curves,
                )


def sizes(people: int) -> list[int]:
    """Gallery sizes that so many people are calibrated for: up to half of them."""
    half = people // 2
    return [*(n for n in (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280) if n < half), half]


def _curves(one: Compared) -> Iterator[Curve]:
    n = one.people
    rates = np.array([*_RATES[smallest_rate(n) < _RATES], smallest_rate(n)])
    ranked = one.ranked()
    for size in sizes(n):
        yield _curve(strangers(*ranked, one.whose, size), size, rates)


def _curve(found: Strangers, size: int, rates: Scores) -> Curve:
    thresholds = _thresholds(found, rates)
    low, high = _ends(found, rates, thresholds)
    return Curve(
        size=size,
        rates=_rounded(rates),
        thresholds=_rounded(thresholds),
        low=_rounded(np.minimum(low, thresholds)),
        high=_rounded(np.maximum(high, thresholds)),
        data=1 / (found.people + 1),
    )


def _thresholds(found: Strangers, rates: Scores) -> Scores:
    """Thresholds for falling rates: from the data where they carry a rate, else the tail's."""
    told = found.thresholds(rates)
    share = max(TAIL, TAIL_PEOPLE / found.people)
    tail = fit_tail(*found.highest(share, math.ceil(share * found.people)), share)
    beyond = np.array([tail.threshold(rate) for rate in rates])
    carried = np.isfinite(told) & (rates * (found.people + 1) >= 1 - 1e-9)
    return np.maximum.accumulate(np.where(carried, told, beyond))


def _ends(found: Strangers, rates: Scores, thresholds: Scores) -> tuple[Scores, Scores]:
    """The ends of the thresholds' 95 % intervals over people.

    Where the data carry a rate, the thresholds of the ends of the rate's own interval; beyond, by
    leaving out each of some groups of strangers in turn (the jackknife).
    """
    groups = np.arange(found.people) % _GROUPS
    again = np.array([_thresholds(found.without(groups == each), rates) for each in range(_GROUPS)])
    spread = np.sqrt((_GROUPS - 1) * again.var(axis=0))
    low, high = thresholds - _SIGMAS * spread, thresholds + _SIGMAS * spread
    for place, rate in enumerate(rates):
        if rate * (found.people + 1) >= 1:
            likely = interval(rate, found.deviation(thresholds[place]), found.people)
            high[place], low[place] = np.interp(-np.log(likely), -np.log(rates), thresholds)
    return np.maximum.accumulate(low), np.maximum.accumulate(high)


def _rounded(values: Scores) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
