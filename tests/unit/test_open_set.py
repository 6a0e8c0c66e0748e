"""Error rates, their intervals, order statistics and tails, against hand work and naive loops."""

import doctest
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import gait.open_set
import gallery.decision.tail
from gait.errors import EvaluationError, GalleryError
from gait.open_set import det, fmr, fnir, fnmr, fpir, interval, over_people
from gallery.decision.tail import (
    carried,
    fit_tail,
    largest_size,
    people_needed,
    rate_at,
    smallest_rate,
)

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.7, 1.0]), min_size=1, max_size=12)


@pytest.mark.parametrize("module", [gait.open_set, gallery.decision.tail])
def test_the_examples_hold(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted >= 3
    assert not result.failed


@given(SCORES, SCORES, st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.1]), st.integers(1, 3))
def test_rates_are_those_of_a_naive_loop(
    positive: list[float], own: list[float], threshold: float, rank: int
) -> None:
    ranks = [1 + place % 3 for place in range(len(own))]
    called = sum(1 for score in positive if score >= threshold) / len(positive)
    missed = sum(
        1 for s, r in zip(own, ranks, strict=True) if not (s >= threshold and r <= rank)
    ) / len(own)
    assert fpir(positive, threshold) == pytest.approx(called)
    assert fmr(positive, threshold) == pytest.approx(called)
    assert fnir(own, ranks, threshold, rank) == pytest.approx(missed)
    assert fnmr(own, threshold) == pytest.approx(sum(s < threshold for s in own) / len(own))


def test_a_detection_error_trade_off_worked_by_hand() -> None:
    # strangers' best 0.2 0.4 0.6; own 0.5 (first), 0.7 (second), 0.9 (first)
    thresholds, positive, negative = det([0.2, 0.4, 0.6], [0.5, 0.7, 0.9], [1, 2, 1])
    assert thresholds.tolist() == [0.2, 0.4, 0.5, 0.6, 0.7, 0.9]
    assert positive == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3, 0, 0])
    assert negative == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_no_scores_have_no_rate() -> None:
    for empty in (lambda: fpir([], 0.5), lambda: over_people([], [])):
        with pytest.raises(EvaluationError, match="need"):
            empty()


def test_an_interval_over_people_is_wider_than_one_over_their_clips() -> None:
    people = np.repeat(np.arange(40), 25)
    outcomes = (people < 8).astype(float)  # all clips of eight people, none of the others
    mean, low, high = over_people(outcomes, people)
    assert mean == 0.2
    spread = math.sqrt(0.2 * 0.8 / 40)  # of 40 people, not of 1000 clips
    assert 3 * spread < high - low < 5 * spread
    assert low < 0.2 < high


def test_an_interval_over_people_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(200):
        own = rng.beta(1, 4, size=80)  # people differ, by 0.2 on average
        outcomes = rng.random((80, 5)) < own[:, np.newaxis]
        people = np.repeat(np.arange(80), 5)
        _, low, high = over_people(outcomes.ravel(), people, seed=seed)
        inside += low <= 0.2 <= high
    assert 180 <= inside <= 198  # 190 expected


def test_where_nobody_erred_the_interval_ends_at_the_exact_bound() -> None:
    mean, low, high = over_people(np.zeros(40), np.arange(40))
    assert (mean, low) == (0, 0)
    assert scipy.stats.binom.cdf(0, 40, high) == pytest.approx(0.025)
    assert over_people(np.ones(40), np.arange(40))[1] == pytest.approx(1 - high)


@given(st.integers(1, 60), st.integers(61, 400))
def test_an_interval_of_independent_outcomes_is_wilsons(hits: int, count: int) -> None:
    rate = hits / count
    low, high = interval(rate, math.sqrt(rate * (1 - rate) / count), 1)
    wilson = scipy.stats.binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((wilson.low, wilson.high))
    none = scipy.stats.binomtest(0, count).proportion_ci(0.95, "wilson")
    assert interval(0, 0, count) == pytest.approx((none.low, none.high))


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2])
def test_the_tail_is_that_of_scipy_and_of_the_truth(shape: float) -> None:
    law = scipy.stats.genpareto(shape, scale=0.1)
    scores = law.rvs(size=6000, random_state=1)
    *below, start = np.sort(scores)[:-600]
    tail = fit_tail(start, np.sort(scores)[-600:], 0.1)
    exceeding = np.sort(scores)[-600:] - start
    assert max(below) <= tail.start == start
    fitted, _, scale = scipy.stats.genpareto.fit(exceeding, floc=0)
    assert tail.share == 0.1
    for rate in (0.05, 0.01, 0.001):
        likeliest = tail.start + scipy.stats.genpareto.isf(rate / 0.1, fitted, scale=scale)
        assert tail.threshold(rate) == pytest.approx(likeliest, rel=0.05)
        assert tail.threshold(rate) == pytest.approx(law.isf(rate), rel=0.15)


def test_a_tail_without_shape_is_an_exponential() -> None:
    tail = gallery.decision.tail.Tail(0.5, 0.1, 0.2, 0.0)
    near = gallery.decision.tail.Tail(0.5, 0.1, 0.2, 1e-7)
    assert tail.threshold(0.01) == pytest.approx(0.5 + 0.2 * math.log(10))
    assert near.threshold(0.01) == pytest.approx(tail.threshold(0.01), rel=1e-5)


def test_a_tail_needs_differences() -> None:
    with pytest.raises(GalleryError, match="all equal"):
        fit_tail(0.5, np.full(100, 0.5), 0.1)


def test_a_rate_is_carried_to_larger_galleries_where_strangers_are_alike() -> None:
    rng = np.random.default_rng(1)
    best = rng.random((200_000, 20)).max(axis=1)
    small = rng.random((200_000, 5)).max(axis=1)
    threshold = np.quantile(small, 1 - rate_at(0.1, size=20, at=5))
    assert fpir(best, threshold) == pytest.approx(0.1, abs=0.004)


@pytest.mark.parametrize(("rate", "size"), [(0.01, 40), (0.01, 160), (0.001, 1000), (0.1, 10)])
def test_the_people_needed_are_the_fewest_that_carry_it(rate: float, size: int) -> None:
    needed = people_needed(rate, size)
    assert carried(needed, rate, size)
    assert not carried(needed - 1, rate, size)
    assert smallest_rate(needed) <= rate


@pytest.mark.parametrize("people", [40, 57, 120, 400])
@pytest.mark.parametrize("rate", [0.1, 0.01, 0.002])
def test_the_largest_gallery_is_the_last_that_is_carried(people: int, rate: float) -> None:
    largest = largest_size(people, rate)
    assert largest == 0 or carried(people, rate, largest)
    assert not carried(people, rate, largest + 1)
