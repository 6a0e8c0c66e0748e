"""Intervals over people and seeds: they hold what they promise, on numbers drawn to order."""

import numpy as np
import pytest

from bench.ablation.bootstrap import estimate

TIMES = 300


def drawn(
    rng: np.random.Generator, seeds: int, people: int, spread: tuple[float, float, float]
) -> np.ndarray:
    """`(seeds, people)` values with mean 0: effects of people, of seeds, and of both together."""
    of_people, of_seeds, rest = spread
    return (
        of_people * rng.standard_normal(people)
        + of_seeds * rng.standard_normal((seeds, 1))
        + rest * rng.standard_normal((seeds, people))
    )


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [(10.0, 0.0, 5.0), (3.0, 2.0, 10.0), (0.0, 2.0, 5.0)])
def test_intervals_miss_the_truth_about_one_time_in_twenty(
    seeds: int, spread: tuple[float, float, float]
) -> None:
    # 300 draws: 5 % misses are 15 ± 3.8. More than 30 happens by chance in 1 of 5,000 such tests.
    rng = np.random.default_rng(0)
    found = [estimate(drawn(rng, seeds, 60, spread)) for _ in range(TIMES)]
    missed = sum(not e.low <= 0 <= e.high for e in found)
    assert missed <= 30


def test_resampling_three_seeds_would_miss_far_more_often() -> None:
    # Why Student's t: with the spread of seeds alone, the plain bootstrap misses one in four.
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(TIMES):
        means = drawn(rng, 3, 60, (0.0, 2.0, 1.0)).mean(axis=1)
        resampled = means[rng.integers(0, 3, (1000, 3))].mean(axis=1)
        low, high = np.percentile(resampled, [2.5, 97.5])
        missed += not low <= 0 <= high
    assert missed > 45


def test_pairing_takes_out_what_two_rows_share() -> None:
    rng = np.random.default_rng(2)
    shared = 20 * rng.standard_normal(80)
    one, two = (shared + rng.standard_normal((3, 80)) for _ in range(2))
    paired, alone = estimate(two - one), estimate(one)
    assert paired.high - paired.low < (alone.high - alone.low) / 4


def test_one_seed_speaks_of_people_only() -> None:
    values = np.random.default_rng(3).normal(50, 10, (1, 100))
    found = estimate(values)
    assert found.seeds == 1
    assert found.high - found.low == pytest.approx(2 * 1.96 * 1.0, rel=0.25)
    assert found.value == pytest.approx(values.mean())


def test_the_same_values_give_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(0, 1, (3, 20))
    assert estimate(values) == estimate(values.copy())


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_difference_the_other_way_round_is_as_sure(seeds: int) -> None:
    values = np.random.default_rng(5).normal(1, 9, (seeds, 40))
    there, back = estimate(values), estimate(-values)
    both = [back.low, back.high, back.value]
    assert both == pytest.approx([-there.high, -there.low, -there.value], rel=1e-9)


@pytest.mark.parametrize(("seeds", "t"), [(2, 12.706), (3, 4.303), (4, 3.182), (6, 2.571)])
def test_the_spread_over_seeds_is_students(seeds: int, t: float) -> None:
    """Quantiles of any table of Student's t; all people alike, so that seeds alone spread."""
    of_seeds = np.arange(seeds, dtype=np.float64)
    found = estimate(np.tile(of_seeds[:, None], (1, 5)))
    half = t * of_seeds.std(ddof=1) / np.sqrt(seeds)
    assert found.high - found.value == pytest.approx(half, rel=0.01)
    assert found.value - found.low == pytest.approx(half, rel=0.01)


def test_people_without_a_value_are_left_out() -> None:
    values = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, 5.0]])
    assert estimate(values) == estimate(values[:, :1])
