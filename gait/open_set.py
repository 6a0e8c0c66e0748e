"""Error rates of searches and comparisons, as ISO/IEC 19795-1 names them, and their intervals.

A probe is *mated* if its person is enrolled. A result is positive if its similarity is at least the
threshold. All rates are shares, 0..1; those of a search belong to the size of its gallery.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gait.errors import EvaluationError

Scores = NDArray[np.float64]

RESAMPLES = 1000


def fpir(best: ArrayLike, thresholds: ArrayLike) -> Scores:
    """False positive identification rate: non-mated probes for which anybody is returned.

    Args:
        best: `(n,)` similarity of the most similar enrolled person, for each non-mated probe.
        thresholds: `(…)`.

    Returns:
        `(…)`, one rate for each threshold.

    >>> fpir([0.2, 0.5, 0.6, 0.9], [0.5, 0.95])
    array([0.75, 0.  ])
    """
    return _at_least(best, thresholds)


def fnir(own: ArrayLike, ranks: ArrayLike, thresholds: ArrayLike, rank: int = 1) -> Scores:
    """False negative identification rate: mated probes whose own person is not returned.

    Args:
        own: `(n,)` similarity of the probe's own person.
        ranks: `(n,)` place of that person among all enrolled people, 1 being the most similar.
        thresholds: `(…)`.
        rank: how many people a search returns at most.

    >>> fnir([0.9, 0.8, 0.4], [1, 2, 1], [0.5, 0.3])  # the second is not first, the third too low
    array([0.66666667, 0.33333333])
    """
    found = np.where(np.asarray(ranks) <= rank, np.asarray(own, np.float64), -np.inf)
    return 1 - _at_least(found, thresholds)


def fmr(nonmated: ArrayLike, thresholds: ArrayLike) -> Scores:
    """False match rate: comparisons of two different people that are called the same.

    >>> fmr([0.1, 0.3, 0.7], 0.3)
    array(0.66666667)
    """
    return _at_least(nonmated, thresholds)


def fnmr(mated: ArrayLike, thresholds: ArrayLike) -> Scores:
    """False non-match rate: comparisons of a person with the same person that are not.

    >>> fnmr([0.2, 0.8, 0.9, 0.9], [0.8, 0.85])
    array([0.25, 0.5 ])
    """
    return 1 - _at_least(mated, thresholds)


def det(
    positive: ArrayLike, own: ArrayLike, ranks: ArrayLike | None = None
) -> tuple[Scores, Scores, Scores]:
    """The detection error trade-off: every threshold that changes a rate, rising.

    Args:
        positive: `(n,)` of non-mated probes or comparisons.
        own: `(m,)` of mated ones.
        ranks: `(m,)` for a search; None for comparisons.

    Returns:
        Thresholds, false positive rates and false negative rates, `(k,)` each.

    >>> det([0.1, 0.5], [0.5, 0.9])
    (array([0.1, 0.5, 0.9]), array([1. , 0.5, 0. ]), array([0. , 0. , 0.5]))
    """
    thresholds = np.unique(np.concatenate([np.ravel(positive), np.ravel(own)]))
    places = np.ones(np.shape(own), np.int64) if ranks is None else ranks
    return thresholds, fpir(positive, thresholds), fnir(own, places, thresholds)


def over_people(
    outcomes: ArrayLike, people: ArrayLike, *, share: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """The mean of outcomes, and its interval over people.

    People are drawn again with replacement, each with all their outcomes: clips of one person are
    not independent. Where not one person has any error, or all have nothing else, drawing again
    gives that same rate for ever, so the interval then ends at the exact bound, `at_most`.

    Args:
        outcomes: `(n,)` numbers; for a rate, 0 or 1.
        people: `(n,)` whose they are.
        share: of the interval.
        seed: of the draws.

    Returns:
        Mean, lower and upper end.

    Raises:
        EvaluationError: there is no outcome.
    """
    values = np.asarray(outcomes, np.float64)
    if not values.size:
        raise EvaluationError("got no outcomes, need those of one person or more")
    names, whose = np.unique(np.asarray(people), return_inverse=True)
    sums = np.bincount(whose, values, len(names))
    counts = np.bincount(whose, minlength=len(names)).astype(np.float64)
    left = (1 - share) / 2
    draws = resample(len(names), RESAMPLES, seed)
    low, high = np.quantile((draws @ sums) / (draws @ counts), [left, 1 - left])
    bound = at_most(len(names), share)
    if not values.any():
        high = bound
    elif (values == 1).all():
        low = 1 - bound
    return float(values.mean()), float(low), float(high)


def at_most(people: int, share: float = 0.95) -> float:
    """The rate that is still likely where not one of some people has an error: 0..1.

    The upper end of the exact binomial interval (Clopper and Pearson, 1934).

    >>> round(at_most(40), 3)
    0.088
    """
    return float(1 - ((1 - share) / 2) ** (1 / people))


def interval(rate: float, deviation: float, people: int) -> tuple[float, float]:
    """The 95 % interval of a rate that is known with a standard deviation.

    Wilson's score interval for as many independent outcomes as give that deviation: it stays within
    0 and 1, and does not end at once where the rate is small.

    Args:
        rate: 0..1.
        deviation: of it.
        people: whom it was measured on; where nobody or everybody errs, as many outcomes.

    >>> [round(end, 4) for end in interval(0.1, 0.03, 100)]  # as of 100 outcomes
    [0.0552, 0.1744]
    """
    count = rate * (1 - rate) / deviation**2 if deviation > 0 and 0 < rate < 1 else people
    z = 1.959964
    middle = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return float(max(middle - half, 0)), float(min(middle + half, 1))


@lru_cache(maxsize=8)
def resample(people: int, times: int, seed: int) -> Scores:
    """How often each person is drawn in each of some resamples: `(times, people)`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), times).astype(np.float64)


def _at_least(values: ArrayLike, thresholds: ArrayLike) -> Scores:
    """The share of the values that are at least each threshold."""
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if not ordered.size:
        raise EvaluationError("got no similarities, need one or more")
    below = np.searchsorted(ordered, np.asarray(thresholds, np.float64), side="left")
    return np.asarray(1 - below / ordered.size)
