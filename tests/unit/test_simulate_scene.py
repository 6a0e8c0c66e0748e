import numpy as np
import pytest

from train.simulate.sensors.scene import (
    CLOSEST,
    VIEWS,
    Occluder,
    Path,
    lay_path,
    lower,
    place,
    put_occluder,
)


def path(view: str, seed: int = 0, distances: tuple[float, float] = (4, 20)) -> Path:
    rng = np.random.default_rng(seed)
    return lay_path(VIEWS[view], distances, speed=1.2, frames=24, rate=10, rng=rng)


def test_there_are_sustech1ks_twelve_views() -> None:
    assert len(VIEWS) == 12
    for name, view in VIEWS.items():
        assert view.angle == float(name.partition("-")[0])


def test_at_0_the_subject_comes_nearer_and_at_180_goes_away() -> None:
    for seed in range(10):
        for view, sign in (("000", -1), ("180", 1), ("180-far", 1)):
            distance = np.linalg.norm(path(view, seed).feet, axis=1)
            assert np.all(sign * np.diff(distance) > 0)


def test_at_90_the_subject_walks_left_and_shows_the_left_side() -> None:
    walker = np.zeros((24, 3, 2), np.float32)
    walker[:, 1] = [0.2, -0.2]  # left and right shoulder
    for seed in range(10):
        way = path("090", seed)
        assert np.all(np.diff(way.feet[:, 1]) > 0)
        seen = place(walker, way)
        middle = seen[12]
        assert middle[0, 0] < middle[0, 1]  # the left one is nearer


def test_jitter_is_small_and_far_is_far() -> None:
    for name, view in VIEWS.items():
        for seed in range(20):
            way = path(name, seed)
            middle = way.feet.mean(axis=0)
            sight = np.degrees(np.arctan2(middle[1], middle[0]))
            heading = np.degrees(np.arctan2(way.heading[1], way.heading[0])) - sight
            error = (180 - heading - view.angle + 180) % 360 - 180
            assert abs(error) < 25
            assert 4 <= np.linalg.norm(middle) <= 20.01
    far = min(np.linalg.norm(path("000-far", s).feet.mean(axis=0)) for s in range(20))
    plain = [np.linalg.norm(path("000", s).feet.mean(axis=0)) for s in range(20)]
    near = max(np.linalg.norm(path("090-near", s).feet.mean(axis=0)) for s in range(20))
    assert near < min(plain) < max(plain) < far


def test_nobody_walks_into_the_sensor() -> None:
    rng = np.random.default_rng(0)
    way = lay_path(VIEWS["000"], (3.5, 5), speed=1.5, frames=200, rate=10, rng=rng)
    assert way.nearest > CLOSEST - 1e-6


def test_placing_turns_and_moves() -> None:
    way = Path(np.array([0.0, 1.0]), np.array([[5.0, 1.0]]))
    seen = place(np.array([[[1.0], [0.0], [1.5]]], np.float32), way)
    np.testing.assert_allclose(seen[0, :, 0], [5, 2, 0.5], atol=1e-6)
    np.testing.assert_allclose(lower(seen, 0.1)[0, :, 0], [5, 2, 0.6], atol=1e-6)


def test_a_wall_hides_what_is_behind_it_and_nothing_else() -> None:
    wall = Occluder(3.0, np.zeros((0, 4)), (-0.5, 0.5, 1.0))
    points = np.array([[[6.0, 6.0, 6.0, 2.0], [0, 2, 0, 0], [-0.5, -0.5, 0.5, -0.5]]], np.float32)
    # At half the distance, where the wall stands: below its top, beside it, above it; before it.
    assert wall.hides(points)[0].tolist() == [True, False, False, False]


@pytest.mark.parametrize("view", ["000", "090", "270-far"])
def test_an_occluder_hides_a_part(view: str) -> None:
    rng = np.random.default_rng(1)
    person = rng.uniform([-0.2, -0.25, 0], [0.2, 0.25, 1.75], (500, 3)).T
    hidden = []
    for seed in range(30):
        way = path(view, seed)
        seen = place(np.tile(person, (24, 1, 1)).astype(np.float32), way)
        hidden.append(put_occluder(way, np.random.default_rng(seed)).hides(seen).mean())
    assert 0.05 < np.mean(hidden) < 0.6
    assert np.mean(np.array(hidden) > 0.01) > 0.8
