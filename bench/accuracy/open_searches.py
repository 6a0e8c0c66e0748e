"""Error rates of open searches on labelled people, averaged over all galleries they make up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gait.errors import CalibrationError
from gait.modality import Modality
from gait.open_set import Scores, interval, over_people
from gallery.decision.calibration import Calibration, Enrolled, Threshold
from gallery.decision.fitting import MIXED, Compared, LabelledClips, compared
from gallery.decision.strangers import Strangers, none_enrolled, strangers

SIZES = (10, 20, 40, 80, 160, 320, 640, 1000, 2000, 5000, 10_000)
RATES = (0.001, 0.01, 0.1)
USUAL_SIZE = 160
_POINTS = 120


@dataclass(frozen=True)
class Row:
    """One setting. Rates are in percent, FNIR at rank 1; intervals are 95 %, over people.

    Args:
        probe, enrolled: modality of the probes, and by which sensor people are enrolled.
        templates: of each person.
        size: of the galleries.
        people: who were measured.
        target: FPIR that is wanted.
        source: of the calibrated threshold; None, with all that follows from it, where the
            calibration refuses the rate.
        realised: strangers called somebody; None where the gallery is larger than the people are.
        low, high: its interval over those measured, as strangers and as enrolled.
        both_low, both_high: the same, and over the people who calibrated.
        fnir, fnir_low, fnir_high: mated probes not found by the calibrated threshold. Where the
            gallery is larger than the people are, only those below the threshold are counted.
        best_fnir: by the threshold chosen on the strangers themselves, which nobody knows
            beforehand.
        rank1: mated probes whose person is the most similar.
    """

    probe: str
    enrolled: str
    templates: int
    size: int
    people: int
    target: float
    source: str | None = None
    realised: float | None = None
    low: float | None = None
    high: float | None = None
    both_low: float | None = None
    both_high: float | None = None
    fnir: float | None = None
    fnir_low: float | None = None
    fnir_high: float | None = None
    best_fnir: float | None = None
    rank1: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the interval over those measured contains the target."""
        return _within(self.low, self.high, self.target)

    @property
    def both_hold(self) -> bool | None:
        """Whether the interval over those measured and those who calibrated does."""
        return _within(self.both_low, self.both_high, self.target)


@dataclass(frozen=True)
class Trade:
    """Error rates over thresholds, and similarities, of galleries of one size.

    Args:
        size: of the galleries.
        fpir, fnir: percent, by rising threshold.
        own: similarities of probes to their own person.
        best: of strangers to the most similar enrolled person.
        others: of probes to any other person.
    """

    size: int
    fpir: list[float]
    fnir: list[float]
    own: Scores
    best: Scores
    others: Scores


def rows_of(
    clips: LabelledClips,
    calibration: Calibration,
    probe: Modality,
    enrolled: Enrolled,
    templates: int,
    sizes: Sequence[int] = SIZES,
) -> Iterator[Row]:
    """Measures every size and rate.

    Raises:
        CalibrationError: nobody has so many clips.
    """
    one = compared(clips, probe, enrolled, templates)
    ranked = one.ranked()
    for size in sizes:
        found = strangers(*ranked, one.whose, size) if size < one.people else None
        for target in RATES:
            facts = _facts(one, found, size, target)
            try:
                threshold = calibration.pair(probe, enrolled, templates).threshold(target, size)
            except CalibrationError:
                pass
            else:
                facts |= _decided(one, found, size, threshold)
            yield Row(
                probe=probe,
                enrolled=enrolled,
                templates=templates,
                size=size,
                people=one.people,
                target=target,
                **facts,
            )


def trade_off(clips: LabelledClips, probe: Modality, enrolled: Enrolled, templates: int) -> Trade:
    """Error rates over thresholds, in galleries of the usual size or of half of the people."""
    one = compared(clips, probe, enrolled, templates)
    size = min(USUAL_SIZE, one.people // 2)
    found = strangers(*one.ranked(), one.whose, size)
    exceeding = np.cumsum(found.chances) / found.people
    wanted = np.geomspace(min(1e-4, exceeding[-1]), exceeding[-1], _POINTS)
    thresholds = found.scores[np.searchsorted(exceeding, wanted).clip(0, len(exceeding) - 1)]
    own, first = _own(one, size)
    each = 1 / np.bincount(one.whose)[one.whose] / one.people
    best = np.random.default_rng(0).choice(
        found.scores, 20_000, p=found.chances / found.chances.sum()
    )
    return Trade(
        size=size,
        fpir=[100 * found.fpir(t) for t in thresholds[::-1]],
        fnir=[100 * (1 - float((each * first)[own >= t].sum())) for t in thresholds[::-1]],
        own=own,
        best=best,
        others=one.ranked()[0].ravel()[:: max(1, one.similarities.size // 20_000)],
    )


def found_by_sensor(
    clips: LabelledClips, templates: int, size: int = USUAL_SIZE
) -> dict[str, dict[str, float]]:
    """Rank-1 in percent in the mixed gallery, by probe and by the sensor that enrolled the person.

    Args:
        clips: of the people.
        templates: of each of them.
        size: of the galleries, or half of the people.
    """
    by_sensor = dict[str, dict[str, float]]()
    for probe in Modality:
        one = compared(clips, probe, MIXED, templates)
        _, first = _own(one, min(size, one.people // 2))
        enrolled_by = one.enrolled_by[one.whose]
        by_sensor[probe] = {way: 100 * float(first[enrolled_by == way].mean()) for way in Modality}
    return by_sensor


def _own(one: Compared, size: int) -> tuple[Scores, Scores]:
    """`(q,)` similarity to the own person, and the chance that nobody enrolled is more similar."""
    own = one.similarities[np.arange(len(one.whose)), one.whose]
    more = (one.similarities >= own[:, np.newaxis]).sum(axis=1) - 1
    none = none_enrolled(one.people - 1, size - 1)
    return own, np.where(more < len(none), none[more.clip(max=len(none) - 1)], 0.0)


def _missed(
    one: Compared, own: Scores, first: Scores, threshold: float
) -> tuple[float, float, float]:
    return over_people(1 - first * (own >= threshold), one.whose)


def _facts(one: Compared, found: Strangers | None, size: int, target: float) -> dict[str, Any]:
    if found is None:
        return {}
    own, first = _own(one, size)
    exceeding = np.cumsum(found.chances) / found.people
    known = found.scores[min(int(np.searchsorted(exceeding, target)), len(exceeding) - 1)]
    return {
        "best_fnir": 100 * _missed(one, own, first, known)[0],
        "rank1": 100 * over_people(first, one.whose)[0],
    }


def _decided(
    one: Compared, found: Strangers | None, size: int, threshold: Threshold
) -> dict[str, Any]:
    own, first = _own(one, size) if found else _own(one, 1)
    missed = [100 * each for each in _missed(one, own, first, threshold.similarity)]
    facts: dict[str, Any] = {"source": threshold.source if found else "tail"}
    facts |= zip(("fnir", "fnir_low", "fnir_high"), missed, strict=True)
    if found is None:
        return facts
    realised, deviation = found.fpir(threshold.similarity), found.deviation(threshold.similarity)
    calibrated = (found.fpir(threshold.low) - found.fpir(threshold.high)) / (2 * 1.96)
    facts["realised"] = 100 * realised
    for names, spread in (
        (("low", "high"), deviation),
        (("both_low", "both_high"), np.hypot(deviation, calibrated)),
    ):
        facts |= zip(
            names, (100 * end for end in interval(realised, spread, one.people)), strict=True
        )
    return facts


def _within(low: float | None, high: float | None, target: float) -> bool | None:
    return None if low is None or high is None else low <= 100 * target <= high
