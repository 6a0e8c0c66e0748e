import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gait.metrics
from gait.errors import EvaluationError
from gait.metrics import (
    Parts,
    average_precision,
    cosine,
    distances,
    euclidean,
    inverse_negative_penalty,
    positive_ranks,
    rank_k,
)

pytestmark = pytest.mark.serving

Array = np.ndarray


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(gait.metrics)
    assert result.attempted > 6
    assert result.failed == 0


def random(seed: int, n: int, p: int = 3, d: int = 5) -> Array:
    return np.random.default_rng(seed).normal(size=(n, p, d)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.integers(0, 300), st.integers(1, 9), st.integers(1, 4))
def test_distances_match_a_naive_loop(seed: int, q: int, g: int, p: int) -> None:
    x, y = random(seed, q, p), 3 * random(seed + 1, g, p)
    far, angle = np.zeros((q, g)), np.zeros((q, g))
    for i in range(q):
        for j in range(g):
            for a, b in zip(x[i].astype(float), y[j].astype(float), strict=True):
                far[i, j] += np.linalg.norm(a - b) / p
                angle[i, j] += a @ b / np.linalg.norm(a) / np.linalg.norm(b) / p
    np.testing.assert_allclose(euclidean(x, y), far, rtol=1e-4)
    np.testing.assert_allclose(cosine(x, y), 1 - angle, atol=1e-5)


def test_equal_embeddings_are_not_apart() -> None:
    x = 100 * random(0, 20)
    assert np.diag(euclidean(x, x)).max() < 0.5
    assert np.abs(np.diag(cosine(x, x))).max() < 1e-5


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_numbers_that_cannot_be_compared_are_an_error(bad: float) -> None:
    x = random(0, 4)
    x[2, 1, 0] = bad
    with pytest.raises(EvaluationError, match="clip 2"):
        Parts.of(x)


@pytest.mark.parametrize("x", [np.zeros((3, 4)), np.zeros((3, 0, 4)), np.array([[["a"]]])])
def test_other_arrays_are_an_error(x: Array) -> None:
    with pytest.raises(EvaluationError, match="clips, parts, dimensions"):
        Parts.of(x)


def test_different_parts_are_an_error() -> None:
    with pytest.raises(EvaluationError, match="3 parts × 5 and gallery items of 2 × 5"):
        distances(Parts.of(random(0, 4)), Parts.of(random(0, 4, 2)))


def test_a_collapsed_model_scores_nothing() -> None:
    ids = np.arange(6)
    ranks = positive_ranks(np.zeros((6, 6)), ids, ids)
    assert (ranks == 6).all()


@settings(deadline=None)
@given(st.data())
def test_ranks_match_sorting(data: st.DataObject) -> None:
    q, g = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 12))
    ids = st.integers(0, 4)
    probe = np.array(data.draw(st.lists(ids, min_size=q, max_size=q)))
    gallery = np.array(data.draw(st.lists(ids, min_size=g, max_size=g)))
    distance = np.array(
        data.draw(st.lists(st.integers(0, 5), min_size=q * g, max_size=q * g)), dtype=float
    ).reshape(q, g)
    ranks = positive_ranks(distance, probe, gallery)
    for i in range(q):
        # Wrong items first among equals.
        order = sorted(range(g), key=lambda j: (distance[i, j], gallery[j] == probe[i]))
        expected = [r for r, j in enumerate(order, 1) if gallery[j] == probe[i]]
        assert [r for r in ranks[i].tolist() if r] == expected
        hits = np.array([gallery[j] == probe[i] for j in order])
        for k in (1, 3):
            assert rank_k(ranks, k)[i] == hits[:k].any()
        precision = [hits[:r].mean() for r in expected]
        assert average_precision(ranks)[i] == pytest.approx(np.mean(precision) if expected else 0)
        last = len(expected) / expected[-1] if expected else 0
        assert inverse_negative_penalty(ranks)[i] == pytest.approx(last)
