"""An interval for other people and other seeds.

People are resampled. Seeds are too few for that: three of them drawn with replacement would give
intervals that miss one time in four. Their mean is spread by Student's t instead, from the standard
deviation over seeds, so that few seeds give wide intervals. With one seed there is no such spread:
the interval then speaks of people alone.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def interval_over_seeds(resamples: Values, seeds: Values, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean over seeds.

    Args:
        resamples: `(r,)` the mean over seeds in each resample of people.
        seeds: `(s,)` its value with each seed, over all people.
        seed: of the draws that spread it.

    Returns:
        Lower and upper end, in the unit of the values.
    """
    count, drawn = len(seeds), resamples
    if count > 1:
        spread = seeds.std(ddof=1) / np.sqrt(count)
        student = np.random.default_rng([seed, count]).permutation(
            _student(count - 1, len(resamples))
        )
        # Both ways, so that a difference the other way round has the same interval mirrored.
        drawn = np.concatenate([drawn + spread * student, drawn - spread * student])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _student(freedom: int, count: int) -> Values:
    """`(count,)` numbers spread as Student's t, one from each of as many equally likely parts.

    As many random draws are some percent off at their ends, the same way in every interval.
    """
    many = np.random.default_rng(freedom).standard_t(freedom, size=(4000, 200))
    half = (count + 1) // 2
    several: Values = np.quantile(np.abs(many), (np.arange(half) + 0.5) / half)
    return np.concatenate([several, -several])[:count]
