"""Strangers' best similarities, averaged over every gallery of a size that people make up.

Drawing a few galleries at random adds their chance to a threshold. The average over all of them
has a closed form: among M others, of whom N are enrolled, the k-th most similar to a probe is the
best one that is enrolled with probability C(M−k, N−1) / C(M, N).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.open_set import Scores

Numbers = NDArray[np.intp]

_LOWEST = 0.6
"""Rate of false positives up to which similarities are kept."""
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class Strangers:
    """Similarities by which strangers could be called somebody, in galleries of one size.

    Args:
        people: how many there are, each in turn a stranger and enrolled with others.
        scores: `(m,)` falling; only the highest.
        chances: `(m,)` that the score is the best of its probe; of one person's probes the mean.
            Those of one person add up to 1, less what was not kept.
        probe: `(m,)` number of the probe.
        enrolled: `(m,)` number of the person it is like.
        whose: `(q,)` number of each probe's person.
    """

    people: int
    scores: Scores
    chances: Scores
    probe: Numbers
    enrolled: Numbers
    whose: Numbers

    def without(self, left_out: NDArray[np.bool_]) -> "Strangers":
        """The same without some people's probes; `left_out` is `(people,)`."""
        kept = ~left_out[self.whose[self.probe]]
        return Strangers(
            self.people - int(left_out.sum()),
            self.scores[kept],
            self.chances[kept],
            self.probe[kept],
            self.enrolled[kept],
            self.whose,
        )

    def fpir(self, threshold: float) -> float:
        """The share of strangers who exceed a threshold, over all galleries."""
        return float(self.chances[: self._above(threshold)].sum() / self.people)

    def thresholds(self, rates: Scores) -> Scores:
        """The conformal thresholds for rates, to be exceeded; infinity where people are too few.

        Whoever comes next counts as one more, who exceeds it in as many galleries as the worst of
        those seen (Angelopoulos et al., "Conformal risk control", 2022, with the largest loss seen
        in place of the largest possible one). With one gallery and one probe each it is the
        ⌈(1−rate)(n+1)⌉-th smallest of n people's best scores.
        """
        exceeding = np.cumsum(self.chances) - self.chances + self._worst()
        places = np.searchsorted(exceeding, rates * (self.people + 1) + 1e-9, side="right") - 1
        return np.where(places < 0, np.inf, self.scores[places])

    def _worst(self) -> Scores:
        """The largest share of galleries in which one person reaches each score."""
        whose = self.whose[self.probe]
        order = np.argsort(whose, kind="stable")
        upto = np.cumsum(self.chances[order])
        first = np.searchsorted(whose[order], whose[order])
        before = np.concatenate([[0.0], upto])[first]
        shares = np.empty_like(upto)
        shares[order] = upto - before
        return np.maximum.accumulate(shares)

    def deviation(self, threshold: float) -> float:
        """The standard deviation of `fpir` over people, as strangers and as those enrolled.

        A person counts by how often he or she is taken for somebody, and by how often a stranger is
        taken for somebody only because that person is enrolled. The chance of each pair is part of
        both people's counts, and is taken out once.
        """
        above = self._above(threshold)
        probe, chances = self.probe[:above], self.chances[:above]
        alone = np.full(len(self.whose), np.inf)
        np.minimum.at(alone, probe, chances)
        count = int(self.whose.max()) + 1
        pairs = self.whose[probe] * count + self.enrolled[:above]
        for_others, for_these = (
            np.bincount(pairs, each, count**2).reshape(count, count)
            for each in (chances, alone[probe])
        )
        of_pairs = for_others + for_these.T
        taken = of_pairs.sum(axis=1)
        squared = ((taken - taken.mean()) ** 2).sum() - (of_pairs * of_pairs.T).sum() / 2
        return float(np.sqrt(max(squared, 0)) / self.people)

    def highest(self, share: float, count: int) -> tuple[float, Scores]:
        """The score that a share of strangers exceeds, and evenly spaced quantiles above it.

        Args:
            share: of strangers.
            count: how many quantiles, rising.
        """
        exceeding = np.cumsum(self.chances) / self.people
        places = share * (np.arange(count) + 0.5) / count
        found = self.scores[np.searchsorted(exceeding, places).clip(0, len(self.scores) - 1)]
        last = min(int(np.searchsorted(exceeding, share)), len(self.scores) - 1)
        return float(self.scores[last]), found[::-1]

    def _above(self, threshold: float) -> int:
        return int(np.searchsorted(-self.scores, -threshold, side="left"))


def chances(others: int, size: int) -> Scores:
    """The chance that the k-th most similar of some others is the best one enrolled, k = 1, 2, ….

    Args:
        others: M, all who could be enrolled.
        size: N of them, drawn at random, are.

    Returns:
        `(M − N + 1,)`, of sum 1.

    >>> chances(3, 2)  # the best of two is the first unless it is left out
    array([0.66666667, 0.33333333])
    """
    return -np.diff(none_enrolled(others, size))


def none_enrolled(others: int, size: int) -> Scores:
    """The chance that none of the first k of some others is enrolled, k = 0, 1, ….

    Args:
        others: M, all who could be enrolled.
        size: N of them, drawn at random, are; 0 or more.

    Returns:
        `(M − N + 2,)`, from 1 to 0; with N = 0 only ones.

    >>> none_enrolled(3, 2)
    array([1.        , 0.33333333, 0.        ])
    """
    if size == 0:
        return np.ones(others + 1)
    k = np.arange(others - size + 1)
    return np.concatenate([[1.0], np.cumprod((others - size - k) / (others - k))])


def strangers(ranked: Scores, like: Numbers, whose: Numbers, size: int) -> Strangers:
    """Strangers in all galleries of a size.

    Args:
        ranked: `(q, people − 1)` similarity of each probe to all others, falling.
        like: `(q, people − 1)` numbers of those people.
        whose: `(q,)` number of each probe's person; every person has a probe.
        size: of the galleries, at most people − 1.
    """
    people = ranked.shape[1] + 1
    one = chances(people - 1, size)
    one = one[: int(np.searchsorted(-one, -_NEGLIGIBLE)) or 1]
    each = (1 / np.bincount(whose, minlength=people))[whose]
    scores = ranked[:, : len(one)].ravel()
    weights = (each[:, np.newaxis] * one).ravel()
    probes, places = np.divmod(np.arange(scores.size), len(one))
    order = np.argsort(-scores, kind="stable")
    enough = int(np.searchsorted(np.cumsum(weights[order]), _LOWEST * people)) + 1
    order = order[:enough]
    return Strangers(
        people,
        scores[order],
        weights[order],
        probes[order],
        like[probes[order], places[order]],
        whose,
    )
