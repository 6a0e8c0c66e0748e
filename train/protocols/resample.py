"""From outcomes to scores, for the people there are and for resampled people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import EvaluationError
from train.protocols.outcomes import Indices

Values = NDArray[np.float32]
Weights = NDArray[np.floating]


def resampled_people(people: int, times: int, seed: int) -> NDArray[np.float32]:
    """How often each person is drawn in each bootstrap resample: `(times, people)`.

    Whole people are drawn, with all their probes, since walks of one person are not independent.
    The gallery stays as it is. The same seed draws the same people, whatever is evaluated.

    Raises:
        EvaluationError: fewer than 1 resample, or a negative seed.
    """
    if times < 1 or seed < 0:
        raise EvaluationError(f"got {times} resamples and seed {seed}, need ≥ 1 and ≥ 0")
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(people, np.full(people, 1 / people), size=times)
    return draws.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Tally:
    """Outcomes of a probe set summed per probe view and person.

    Args:
        sums: `(views, people, gallery views, metrics)` summed outcomes.
        counts: `(views, people)` number of probes.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(
        cls, values: Values, views: Indices, subjects: Indices, shape: tuple[int, int]
    ) -> "Tally":
        """Sums `(q, gallery views, metrics)` outcomes over `shape` = (views, people)."""
        key = views * shape[1] + subjects
        order = np.argsort(key, kind="stable")
        groups, starts = np.unique(key[order], return_index=True)
        sums = np.zeros((shape[0] * shape[1], *values.shape[1:]))
        if len(groups):
            sums[groups] = np.add.reduceat(values[order].astype(np.float64), starts, axis=0)
        counts = np.bincount(key, minlength=len(sums)).astype(np.float64)
        return cls(sums.reshape(*shape, *values.shape[1:]), counts.reshape(shape))


def scores(tally: Tally, weights: Weights, compared: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Percentages per probe view and over all, for each weighting of the people.

    `A[i, j]` is the weighted mean outcome of the probes of view i in gallery view j. Probe view i
    scores the mean of `A[i, j]` over the j it is compared with, the whole the mean of these over
    i, all unweighted; empty cells are left out.

    Args:
        tally: of the probe set.
        weights: `(b, people)`.
        compared: `(views, gallery views)` cells that have a gallery.

    Returns:
        `(b, views + 1, metrics)` percent, the last row over all views; NaN where no cell has a
        probe.
    """
    views, _, _, metrics = tally.sums.shape
    result = np.full((len(weights), views + 1, metrics), np.nan)
    for view in range(views):
        cells = compared[view]
        if not cells.any() or not tally.counts[view].any():
            continue
        # The mean over j comes first: it does not depend on the people drawn.
        mean = tally.sums[view][:, cells].mean(axis=1)
        count = weights @ tally.counts[view].astype(weights.dtype)
        drawn = count > 0
        total = weights[drawn] @ mean.astype(weights.dtype)
        result[drawn, view] = 100 * total / count[drawn, None]
    result[:, -1] = _mean_of_found(result[:, :-1])
    return result


def _mean_of_found(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over axis 1 of what is not NaN; NaN where there is nothing."""
    found = np.isfinite(values)
    number = found.sum(axis=1)
    total = np.where(found, values, 0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
