"""How sure a mean over people and seeds is, and a paired difference of two of them.

People are resampled, whole, with all their probes. Seeds are too few to be resampled: three of
them drawn with replacement would give intervals that miss one time in four. Their mean is spread by
Student's t instead, from the standard deviation over seeds, so that few seeds give wide intervals.
With one seed there is no such spread: the interval then speaks of people alone.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000

Values = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean and its 95 % interval.

    Args:
        value, low, high: in the unit of the values.
        seeds: how many seeds are behind it.
    """

    value: float
    low: float
    high: float
    seeds: int


def estimate(values: Values, seed: int = 0) -> Estimate:
    """Mean over seeds and people, with a 95 % interval for other seeds and other people.

    For a paired difference give the differences, `a - b` of the same seeds and people. People who
    have no value (NaN) with some seed are left out.

    Args:
        values: `(seeds, people)`.
        seed: of the resamples.

    >>> estimate(np.array([[50.0, 50.0], [50.0, 50.0]]))
    Estimate(value=50.0, low=50.0, high=50.0, seeds=2)
    """
    values = values[:, np.isfinite(values).all(axis=0)]
    seeds, people = values.shape
    drawn = _shares(people, seed) @ values.mean(axis=0)
    if seeds > 1:
        spread = values.mean(axis=1).std(ddof=1) / np.sqrt(seeds)
        student = np.random.default_rng([seed, seeds]).permutation(_student(seeds - 1))
        # Both ways, so that a difference the other way round has the same interval mirrored.
        drawn = np.concatenate([drawn + spread * student, drawn - spread * student])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high), seeds)


@lru_cache(maxsize=8)
def _student(freedom: int) -> Values:
    """`(RESAMPLES,)` numbers spread as Student's t, one from each of as many equally likely parts.

    As many random draws are some percent off at their ends, the same way in every interval.
    """
    many = np.random.default_rng(freedom).standard_t(freedom, size=(RESAMPLES, 200))
    several: Values = np.quantile(
        np.abs(many), (np.arange(RESAMPLES // 2) + 0.5) / (RESAMPLES // 2)
    )
    return np.concatenate([several, -several])


@lru_cache(maxsize=8)
def _shares(people: int, seed: int) -> Values:
    """`(RESAMPLES, people)` each person's share of a resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), size=RESAMPLES) / people
