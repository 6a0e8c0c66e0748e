"""Thresholds beyond the data: a tail fitted to the highest similarities, and how far it reaches.

numpy alone, so that a site calibrates with what the service has installed.
"""

import math
from dataclasses import dataclass

import numpy as np

from gait.errors import GalleryError
from gait.open_set import Scores

TAIL = 0.10
"""Share of the scores that the tail is fitted to, if they are of enough people."""
TAIL_PEOPLE = 20
"""People at least, on average, whose scores the tail is fitted to."""
REACH = 10
"""How many times smaller than the data's smallest rate the tail is believed."""


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto distribution of what scores exceed a high one by.

    Args:
        start: score from which it holds.
        share: of all scores that exceed it.
        scale: σ, above 0.
        shape: ξ; below 0 the scores have an end.
    """

    start: float
    share: float
    scale: float
    shape: float

    def threshold(self, rate: float) -> float:
        """The score that is exceeded with a probability of `rate`, at most `share`."""
        rarer = rate / self.share
        if abs(self.shape) < 1e-9:
            return self.start - self.scale * math.log(rarer)
        return self.start + self.scale / self.shape * math.expm1(-self.shape * math.log(rarer))


def fit_tail(start: float, scores: Scores, share: float) -> Tail:
    """Fits a tail to the largest scores: peaks over a threshold.

    The estimate is that of Zhang and Stephens ("A new and efficient estimation method for the
    generalized Pareto distribution", Technometrics 51, 2009), which has a solution for every
    sample, unlike maximum likelihood, and is closer to the truth in small ones.

    Args:
        start: score that the tail begins at.
        scores: `(n,)` rising, at least `start`; or as many evenly spaced quantiles of them.
        share: of all scores that exceed `start`.

    Raises:
        GalleryError: the scores are all equal.
    """
    exceeding = scores - start
    if exceeding[-1] <= 0 or exceeding[0] < 0:
        raise GalleryError("got largest scores that are all equal, need different ones")
    return Tail(start, share, *_zhang_stephens(exceeding))


def _zhang_stephens(exceeding: Scores) -> tuple[float, float]:
    """Scale and shape of rising numbers, of which the last is above 0."""
    n = len(exceeding)
    points = 20 + int(math.sqrt(n))
    quarter = max(float(exceeding[int(n / 4 + 0.5) - 1]), 1e-6 * float(exceeding[-1]))
    steps = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    theta = 1 / exceeding[-1] + steps / (3 * quarter)
    k = -np.log1p(-theta[:, np.newaxis] * exceeding).mean(axis=1)
    likelihood = n * (np.log(theta / k) + k - 1)
    weights = np.exp(likelihood - likelihood.max())
    best = float((theta * weights).sum() / weights.sum())
    shape = float(np.log1p(-best * exceeding).mean())
    return -shape / best, shape


def smallest_rate(people: int) -> float:
    """The smallest rate that so many people carry, with the tail."""
    return 1 / (REACH * (people + 1))


def rate_at(rate: float, size: int, at: int) -> float:
    """The rate in a gallery of `at` people that goes with a rate among `size` people.

    A stranger who is taken for nobody among `size` people is taken for nobody in each part of them.
    Where the parts are independent given the stranger, 1 − rate at `size` is at least the `at`-th
    part's to the power `size/at`: strangers differ, so the threshold is rather too high.

    >>> round(rate_at(0.01, size=1000, at=100), 6)
    0.001005
    """
    return -math.expm1(math.log1p(-rate) * at / size)


def people_needed(rate: float, size: int) -> int:
    """How many people a calibration needs for a rate among `size` enrolled people.

    Half of the people stand for a gallery, so `size` is reached with twice as many; beyond, the
    rate is carried over by `rate_at`.

    >>> people_needed(0.01, 160), people_needed(0.01, 10_000)
    (56, 446)
    """
    low, high = 2 * TAIL_PEOPLE, 2 * TAIL_PEOPLE
    while not carried(high, rate, size):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if carried(middle, rate, size) else (middle + 1, high)
    return high


def largest_size(people: int, rate: float) -> int:
    """Among how many enrolled people a calibration on so many carries a rate; 0 if among none.

    >>> largest_size(446, 0.01), largest_size(40, 0.01), largest_size(39, 0.01)
    (10017, 82, 0)
    """
    if not carried(people, rate, 1):
        return 0
    half = people // 2
    return max(half, int(half * math.log1p(-rate) / math.log1p(-smallest_rate(people))))


def carried(people: int, rate: float, size: int) -> bool:
    """Whether so many people carry a rate among `size` enrolled ones."""
    largest = people // 2
    needed = rate if size <= largest else rate_at(rate, size, largest)
    return people >= 2 * TAIL_PEOPLE and needed >= smallest_rate(people)
