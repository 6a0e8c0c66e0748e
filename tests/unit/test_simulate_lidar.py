import numpy as np
import pytest

from train.simulate.sensors.lidar import BEAMS, NOISE, scan


def wall(
    distance: float,
    width: tuple[float, float] = (-0.4, 0.4),
    height: tuple[float, float] = (-0.9, 0.8),
    spacing: float = 0.012,
    frames: int = 1,
) -> np.ndarray:
    """An upright plane `distance` metres ahead: `(t, 3, v)`."""
    y, z = np.meshgrid(np.arange(*width, spacing), np.arange(*height, spacing))
    plane = np.stack([np.full(y.size, distance), y.ravel(), z.ravel()])
    return np.tile(plane, (frames, 1, 1)).astype(np.float32)


def clouds(points: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    return scan(points, np.random.default_rng(seed))


def test_128_beams_from_minus_25_to_15_degrees() -> None:
    degrees = np.degrees(BEAMS)
    assert len(BEAMS) == 128
    assert (degrees[0], degrees[-1]) == pytest.approx((-25, 15), abs=1e-4)
    steps = np.diff(degrees)
    assert steps.min() > 0.19
    assert steps.max() < 0.75


def test_points_are_ahead_at_minus_x_and_left_at_minus_y() -> None:
    (cloud,) = clouds(wall(6.0, width=(0.2, 0.6)))
    assert cloud.dtype == np.float64
    np.testing.assert_allclose(cloud[:, 0], -6, atol=0.15)
    assert cloud[:, 1].max() < -0.15
    assert cloud[:, 2].min() == pytest.approx(-0.9, abs=0.06)
    assert cloud[:, 2].max() == pytest.approx(0.8, abs=0.06)


def test_points_lie_on_beams_and_steps() -> None:
    cloud = np.concatenate(clouds(wall(6.0, frames=3)))
    level = np.hypot(cloud[:, 0], cloud[:, 1])
    elevation = np.arctan2(cloud[:, 2], level)
    assert np.abs(elevation[:, None] - BEAMS).min(axis=1).max() < 1e-6
    assert len(np.unique(elevation.round(5))) > 70


@pytest.mark.parametrize("distance", [5.0, 10.0, 20.0])
def test_the_number_of_points_falls_with_the_distance(distance: float) -> None:
    (cloud,) = clouds(wall(distance))
    columns = np.degrees(2 * np.arctan(0.4 / distance)) / 0.2
    elevation = np.degrees(np.arctan2([-0.9, 0.8], distance))
    beams = np.sum((np.degrees(BEAMS) > elevation[0]) & (np.degrees(BEAMS) < elevation[1]))
    lost = 0.02 + 0.12 * (distance / 20) ** 2
    # A direction that the border passes through counts: one more each way on average.
    assert len(cloud) == pytest.approx((columns + 1) * (beams + 1) * (1 - lost), rel=0.12)


def test_distances_have_the_stated_noise() -> None:
    cloud = np.concatenate(clouds(wall(10.0, frames=20)))
    measured = np.linalg.norm(cloud, axis=1)
    true = 10 * measured / -cloud[:, 0]
    error = measured - true
    # The direction is known to half a bin only, which the plane's tilt turns into a few mm.
    assert np.std(error) == pytest.approx(NOISE, rel=0.1)
    assert abs(np.mean(error)) < 0.005


@pytest.mark.parametrize("distance", [4.0, 6.0, 12.0])
def test_nothing_shows_through_a_body(distance: float) -> None:
    near = wall(distance, spacing=0.014)
    behind = wall(distance + 0.25, width=(-0.3, 0.3), height=(-0.7, 0.6), spacing=0.005)
    (cloud,) = clouds(np.concatenate([near, behind], axis=2))
    assert np.all(-cloud[:, 0] < distance + 0.17)


def test_what_is_hidden_gives_no_points() -> None:
    points = wall(8.0)
    (cloud,) = scan(points, np.random.default_rng(0), points[:, 2] > 0)
    assert cloud[:, 2].min() > -0.05


def test_nothing_is_measured_outside_the_beams() -> None:
    (cloud,) = clouds(wall(2.0, height=(-3, 3), spacing=0.01))
    elevation = np.degrees(np.arctan2(cloud[:, 2], np.hypot(cloud[:, 0], cloud[:, 1])))
    assert elevation.min() > -25.1
    assert elevation.max() < 15.1


def test_frames_differ_and_seeds_repeat() -> None:
    points = wall(8.0, frames=2)
    one, two = clouds(points, 3), clouds(points, 3)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(one[0]) != len(one[1]) or not np.allclose(one[0], one[1])
