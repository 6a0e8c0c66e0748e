import numpy as np
import pytest

from train.protocols.resample import Tally, resampled_people, scores


def test_each_resample_draws_as_many_people() -> None:
    weights = resampled_people(40, 200, seed=1)
    assert weights.shape == (200, 40)
    assert (weights.sum(axis=1) == 40).all()
    np.testing.assert_array_equal(weights, resampled_people(40, 200, seed=1))
    assert (weights != resampled_people(40, 200, seed=2)).any()


def test_weights_count_as_repeated_probes() -> None:
    rng = np.random.default_rng(0)
    q, views, people, metrics = 60, 3, 7, 2
    values = rng.random((q, views, metrics)).astype(np.float32)
    view, subject = rng.integers(views, size=q), rng.integers(people, size=q)
    compared = ~np.eye(views, dtype=bool)
    weights = resampled_people(people, 5, seed=0)
    tally = Tally.of(values, view, subject, (views, people))
    found = scores(tally, weights, compared)
    for b, weight in enumerate(weights):
        repeated = np.repeat(np.arange(q), weight[subject].astype(int))
        per_view = [
            np.mean(
                [values[repeated][view[repeated] == i, j].mean(axis=0) for j in range(3) if j != i],
                axis=0,
            )
            for i in range(views)
        ]
        np.testing.assert_allclose(found[b, :-1], 100 * np.array(per_view), rtol=1e-4)
        np.testing.assert_allclose(found[b, -1], 100 * np.mean(per_view, axis=0), rtol=1e-4)


def test_views_without_a_drawn_probe_are_left_out() -> None:
    values = np.array([[[1.0]], [[0.0]]], dtype=np.float32)
    tally = Tally.of(values, np.array([0, 1]), np.array([0, 1]), (2, 2))
    weights = np.array([[2, 0], [0, 2], [1, 1], [0, 0]], dtype=np.float32)
    found = scores(tally, weights, np.ones((2, 1), dtype=bool))[:, :, 0]
    np.testing.assert_array_equal(
        found, [[100, np.nan, 100], [np.nan, 0, 0], [100, 0, 50], [np.nan] * 3]
    )


def test_no_probe_at_all() -> None:
    nothing = np.empty(0, dtype=np.intp)
    tally = Tally.of(np.empty((0, 1, 2), np.float32), nothing, nothing, (1, 3))
    assert np.isnan(scores(tally, np.ones((1, 3)), np.ones((1, 1), dtype=bool))).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_intervals_cover_the_truth(seed: int) -> None:
    # 200 worlds of 60 people × 4 probes; each person is found with an own probability, mean 0.6.
    # A 95 % interval that covers 93 % of the time (the percentile bootstrap at 60) misses the true
    # 60 % in more than 28 of 200 worlds with probability below 1e-4; ignoring that the probes of a
    # person go together would miss in about 60.
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(60), 4)
    view = np.zeros(240, dtype=np.intp)
    outside = 0
    for world in range(200):
        chance = rng.beta(0.6, 0.4, size=60)
        hits = (rng.random(240) < chance[subject]).astype(np.float32)
        tally = Tally.of(hits[:, None, None], view, subject, (1, 60))
        drawn = scores(tally, resampled_people(60, 300, world), np.ones((1, 1), dtype=bool))
        low, high = np.percentile(drawn[:, -1, 0], [2.5, 97.5])
        outside += not low <= 60 <= high
    assert 1 <= outside <= 28
