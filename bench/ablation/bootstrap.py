"""How sure a mean over people and seeds is, and a paired difference of two of them.

People are resampled, whole, with all their probes; how seeds count: `train.protocols.seeds`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from train.protocols.seeds import Values, interval_over_seeds

RESAMPLES = 4000


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
    low, high = interval_over_seeds(drawn, values.mean(axis=1), seed)
    return Estimate(float(values.mean()), low, high, seeds)


@lru_cache(maxsize=8)
def _shares(people: int, seed: int) -> Values:
    """`(RESAMPLES, people)` each person's share of a resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), size=RESAMPLES) / people
