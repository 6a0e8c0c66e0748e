"""Strangers in all galleries of a size, against every gallery counted one by one."""

import doctest
import math
from itertools import combinations

import numpy as np
import pytest

import gallery.decision.strangers
from gallery.decision.fitting import Compared
from gallery.decision.strangers import Strangers, chances, strangers

WHOSE = np.array([0, 0, 0, 1, 2, 3, 3, 4, 5])
ONE = Compared(WHOSE, np.random.default_rng(0).random((9, 6)), np.full(6, "silhouette"))


def found(size: int, one: Compared = ONE) -> Strangers:
    return strangers(*one.ranked(), one.whose, size)


def test_the_examples_hold() -> None:
    assert doctest.testmod(gallery.decision.strangers).failed == 0


@pytest.mark.parametrize("size", [1, 2, 4, 5])
@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.9])
def test_the_rate_is_the_mean_over_every_gallery(size: int, threshold: float) -> None:
    of_people = []
    for person in range(6):
        galleries = combinations([p for p in range(6) if p != person], size)
        rows = ONE.similarities[person == WHOSE]
        called = [[row[list(each)].max() >= threshold for row in rows] for each in galleries]
        of_people.append(np.mean(called))
    rate = found(size).fpir(threshold)
    if rate < 0.6:  # higher ones are not kept
        assert rate == pytest.approx(np.mean(of_people))


def test_chances_are_those_of_draws() -> None:
    rng = np.random.default_rng(1)
    best = [min(rng.permutation(9)[:3]) for _ in range(20_000)]
    assert np.bincount(best) / 20_000 == pytest.approx(chances(9, 3), abs=0.02)
    assert chances(9, 9) == pytest.approx([1])


def test_with_one_probe_and_one_gallery_it_is_the_order_statistic() -> None:
    rng = np.random.default_rng(2)
    people = 50
    one = Compared(np.arange(people), rng.random((people, people)), np.full(people, "x"))
    best = np.sort(one.ranked()[0][:, 0])
    for rate in (0.5, 0.1, 0.02):
        place = math.ceil((1 - rate) * (people + 1) - 1e-9)
        assert found(people - 1, one).thresholds(np.array(rate)) == best[place - 1]
    assert found(people - 1, one).thresholds(np.array(0.019)) == np.inf


@pytest.mark.parametrize(("people", "rate"), [(40, 0.1), (99, 0.01), (57, 0.05)])
def test_a_threshold_keeps_its_rate_on_new_people(people: int, rate: float) -> None:
    rng, each = np.random.default_rng(0), np.arange(people)
    thresholds = []
    for _ in range(4000):
        scores = -np.sort(-rng.gumbel(size=people))
        one = Strangers(people, scores, np.ones(people), each, each, each)
        thresholds.append(one.thresholds(np.array(rate)))
    realised = (rng.gumbel(size=4000) > thresholds).mean()
    expected = math.floor(rate * (people + 1) + 1e-9) / (people + 1)  # continuous distribution
    assert expected <= rate
    assert realised == pytest.approx(expected, abs=4 * math.sqrt(rate / 4000))


def test_the_next_person_counts_as_the_worst_of_those_seen() -> None:
    one = found(3)
    for rate in (0.05, 0.1, 0.2, 0.3):
        (threshold,) = one.thresholds(np.array([rate]))
        at_least = [threshold <= score for score in one.scores]
        shares = np.zeros(6)
        np.add.at(shares, WHOSE[one.probe], np.where(at_least, one.chances, 0))
        above = one.chances[one.scores > threshold].sum()
        if np.isfinite(threshold):
            assert above + shares.max() <= 7 * rate + 1e-9
        lower = one.scores[one.scores < threshold][:1]
        np.add.at(shares, WHOSE[one.probe], np.where(one.scores == lower, one.chances, 0))
        assert one.chances[one.scores > lower].sum() + shares.max() > 7 * rate


def test_the_deviation_is_that_between_samples_of_people() -> None:
    rates, deviations = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        looks = rng.normal(size=(80, 6))  # people who look alike are taken for one another
        probes = np.repeat(looks, 2, axis=0) + 0.3 * rng.normal(size=(160, 6))
        far = np.linalg.norm(probes[:, np.newaxis] - looks, axis=2)
        one = found(20, Compared(np.repeat(np.arange(80), 2), -far, np.full(80, "x")))
        rates.append(one.fpir(-0.9))
        deviations.append(one.deviation(-0.9))
    assert 0.02 < np.mean(rates) < 0.3
    assert np.mean(deviations) == pytest.approx(np.std(rates), rel=0.2)


def test_people_left_out_are_no_strangers_and_are_still_enrolled() -> None:
    left_out = np.array([True, False, False, False, False, True])
    rest = found(5).without(left_out)
    assert rest.people == 4
    assert set(WHOSE[rest.probe]) <= {1, 2, 3, 4}
    assert rest.fpir(0.97) == pytest.approx(
        np.mean(
            [
                np.mean([r[np.arange(6) != p].max() >= 0.97 for r in ONE.similarities[p == WHOSE]])
                for p in (1, 2, 3, 4)
            ]
        )
    )
