"""Sampled embeddings against the walks they were fitted to."""

import numpy as np
import pytest

from bench.accuracy.embedded_walks import Walks
from bench.sampled_against_real import likeness, sampled
from bench.search.sampled_people import NUMBERS, PARTS, Lift, Population
from gait.errors import DataError
from gait.modality import Modality

VIEWS = ("045", "090", "135")
P, D = 2, 12


def made(people: int, walks: int = 4, noise: float = 0.3) -> Walks:
    """Walks of people with known spread: own direction, a shift of each view, and noise."""
    rng = np.random.default_rng(0)
    own = 0.6 * rng.standard_normal((people, P * D))
    count = people * walks * len(VIEWS)
    who = np.repeat(np.arange(people), walks * len(VIEWS))
    view = np.tile(np.arange(len(VIEWS)), people * walks)
    whole = {}
    for shift, modality in enumerate(Modality):
        means = rng.standard_normal((len(VIEWS), P * D)) + shift
        rows = means[view] + own[who] + noise * rng.standard_normal((count, P * D))
        parts = rows.reshape(count, P, D)
        parts /= np.linalg.norm(parts, axis=2, keepdims=True) * np.sqrt(P)
        whole[modality] = parts.reshape(count, -1).astype(np.float32)
    types = np.tile(np.repeat([f"{w:02d}-nm" for w in range(walks)], len(VIEWS)), people)
    names = np.array([f"{w:04d}" for w in who])
    return Walks(names, types, np.array(VIEWS)[view], P, whole, whole)


def quantiles(
    first: np.ndarray, second: np.ndarray, who: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of different clips of the same person, and of different people."""
    alike, same = first @ second.T, who[:, None] == who[None]
    different = ~np.eye(len(who), dtype=bool)
    levels = [0.05, 0.5, 0.95]
    return np.quantile(alike[same & different], levels), np.quantile(alike[~same], levels)


@pytest.mark.parametrize("modality", Modality)
def test_sampled_people_are_as_alike_as_the_real_ones(modality: Modality) -> None:
    walks = made(150)
    population, rng = Population.of(walks), np.random.default_rng(1)
    own, who = population.people(150, rng), np.repeat(np.arange(150), 12)
    sensors = np.full(len(who), list(Modality).index(modality))
    sample = population.clips(own[who], sensors, 3).embeddings
    numbers = np.unique(walks.subjects, return_inverse=True)[1]
    want = quantiles(walks.whole[modality], walks.whole[modality], numbers)
    for got, wanted in zip(quantiles(sample, sample, who), want, strict=True):
        assert got == pytest.approx(wanted, abs=0.06)
    across = population.clips(own[who], 1 - sensors, 4).embeddings
    want = quantiles(walks.whole[modality], walks.whole[modality.counterpart], numbers)
    for got, wanted in zip(quantiles(sample, across, who), want, strict=True):
        assert got == pytest.approx(wanted, abs=0.06)
    assert np.linalg.norm(sample.reshape(-1, P, D), axis=2) == pytest.approx(1 / np.sqrt(P))


def test_the_same_seed_makes_the_same_clips() -> None:
    population = Population.of(made(5))
    own = population.people(5, np.random.default_rng(0))
    first, again, other = (
        population.clips(own, np.array([0, 1, 0, 1, 0]), seed).embeddings for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_full_size_keeps_every_similarity() -> None:
    walks = made(4).whole[Modality.SILHOUETTE]
    lifted = Lift.of(P, D)(walks)
    assert lifted.shape == (len(walks), PARTS * NUMBERS)
    assert lifted @ lifted.T == pytest.approx(walks @ walks.T, abs=1e-6)
    norms = np.linalg.norm(lifted.reshape(-1, PARTS, NUMBERS), axis=2)
    assert norms == pytest.approx(1 / np.sqrt(PARTS), abs=1e-6)
    full = np.ones((2, PARTS * NUMBERS), np.float32)
    assert Lift.of(PARTS, NUMBERS)(full) is full


@pytest.mark.parametrize("shape", [(3, 128), (4, 512)])
def test_a_model_that_does_not_fit_full_size(shape: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="cannot bring it"):
        Lift.of(*shape)


def test_walks_must_be_balanced() -> None:
    walks = made(3)
    with pytest.raises(DataError, match="equally many"):
        Population.of(walks.rows(np.arange(len(walks)) > 0))


def test_likeness_of_people_who_are_told_apart_without_fail() -> None:
    walks = made(6, noise=0.0)
    who = np.unique(walks.subjects, return_inverse=True)[1]
    own = np.eye(6, P * D, dtype=np.float32)[who]
    row = likeness("real", dict.fromkeys(Modality, own), who, *Modality)
    assert (row.same, row.different, row.rank1) == ([1, 1, 1], [0, 0, 0], 100)
    drawn = sampled(walks, who)
    assert {found.shape for found in drawn.values()} == {(len(walks), P * D)}


@pytest.mark.parametrize(
    ("population", "alike"),
    [(Population.assumed(), (0.80, 0.75, 0.61)), (Population.projected(40), (0.44, 0.35, 0.55))],
)
def test_the_assumed_spread_has_the_similarities_that_it_names(
    population: Population, alike: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(1)
    own = population.people(161, rng)
    one, again, other = (
        population.clips(own, np.full(161, sensor), seed).embeddings
        for seed, sensor in enumerate((0, 0, 1))
    )
    similar = one @ again.T
    assert np.median(np.diag(similar)) == pytest.approx(alike[0], abs=0.02)
    assert np.median(np.sum(one * other, axis=1)) == pytest.approx(alike[1], abs=0.02)
    np.fill_diagonal(similar, -1)
    assert np.median(similar.max(axis=1)) == pytest.approx(alike[2], abs=0.03)
