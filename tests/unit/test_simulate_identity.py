from itertools import product
from pathlib import Path

import numpy as np
import pytest

from train.simulate.bodies.basis import VARIATIONS, BodyBasis, phenotype_weights
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.identity import Carrier, Identity, sample_identity, sample_shape

BASIS = capsule_basis()


def person(index: int, carrier: Carrier = Carrier.BOTH) -> Identity:
    return sample_identity(BASIS, np.random.SeedSequence(7, spawn_key=(index,)), carrier)


def moved(who: Identity, seed: int = 0) -> np.ndarray:
    return who.move(1, 20, np.random.default_rng(seed)).rotations


def test_a_person_is_the_same_every_time_and_unlike_others() -> None:
    one, same, other = person(1), person(1), person(2)
    np.testing.assert_array_equal(one.body.points, same.body.points)
    np.testing.assert_array_equal(moved(one), moved(same))
    assert np.abs(one.body.points - other.body.points).max() > 0.01
    assert np.abs(moved(one) - moved(other)).max() > 0.05


def test_motion_control_shares_the_body_and_keeps_the_gait() -> None:
    one, other = person(1, Carrier.MOTION), person(2, Carrier.MOTION)
    np.testing.assert_array_equal(one.body.points, other.body.points)
    assert np.abs(moved(one) - moved(other)).max() > 0.05


def test_shape_control_stands_still_and_keeps_the_body() -> None:
    one, other = person(1, Carrier.SHAPE), person(2, Carrier.SHAPE)
    np.testing.assert_array_equal(one.body.points, person(1).body.points)
    assert np.abs(one.body.points - other.body.points).max() > 0.01
    np.testing.assert_array_equal(moved(one), moved(other))
    assert one.move(1, 5, np.random.default_rng(0)).speed == 0


def test_everybody_is_adult() -> None:
    rng = np.random.default_rng(0)
    shapes = np.array([sample_shape(rng, 4)[0] for _ in range(500)])
    assert shapes[:, 1].min() >= 2 / 3
    assert shapes.min() >= 0
    assert shapes.max() <= 1
    heights = [np.ptp(BASIS.shape(*sample_shape(rng, 3)).points[:, 2]) for _ in range(200)]
    assert 1.4 < min(heights) < max(heights) < 2.15


def test_a_weight_is_the_product_of_its_variations() -> None:
    anchors = {
        "age": np.array([-1 / 3, 0, 1 / 3, 2 / 3, 1]),
        "muscle": np.array([0, 0.5, 1]),
    }
    phenotypes = np.array([0.3, 0.8, 0.6, 0.2, 0.45, 0.5])
    gender = [0.7, 0.3]
    age = [np.interp(0.8, anchors["age"], hat) for hat in np.eye(5)]
    muscle = [np.interp(0.6, anchors["muscle"], hat) for hat in np.eye(3)]
    choices = list(product(range(2), range(5), range(3)))
    mask = np.zeros((len(choices), VARIATIONS), np.float32)
    for row, (g, a, m) in enumerate(choices):
        mask[row, [3 + g, 5 + a, 10 + m]] = 1
    got = phenotype_weights(phenotypes, mask)
    want = [gender[g] * age[a] * muscle[m] for g, a, m in choices]
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert got.sum() == pytest.approx(1, abs=1e-5)


def test_local_changes_go_both_ways() -> None:
    middle = np.full(6, 0.5)
    plain, longer, shorter = (
        BASIS.shape(middle, np.array([c, 0, 0])).leg_length for c in (0.0, 1.0, -1.0)
    )
    assert shorter < plain < longer


def test_a_basis_survives_its_file(tmp_path: Path) -> None:
    BASIS.save(tmp_path / "basis.npz")
    read = BodyBasis.load(tmp_path / "basis.npz")
    shape = sample_shape(np.random.default_rng(0), 3)
    np.testing.assert_array_equal(read.shape(*shape).points, BASIS.shape(*shape).points)
