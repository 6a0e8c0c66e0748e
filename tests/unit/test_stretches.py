import numpy as np
import pytest
from numpy.typing import NDArray

from train.simulate.mocap.retarget import Track
from train.simulate.mocap.stretches import find_stretches, sample
from train.simulate.movement.motion import SEGMENTS
from train.simulate.movement.rotation import about

Array = NDArray[np.float64]


def track(heading: Array, speed: Array, rate: float = 120.0) -> Track:
    """Somebody who goes where they face, with a sway of 3 cm at 0.9 Hz; `heading` in radians."""
    moments = np.arange(len(heading)) / rate
    sway = 0.03 * np.sin(2 * np.pi * 0.9 * moments)
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    side = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    level = np.cumsum(ahead * speed[:, None] / rate, axis=0) + side * sway[:, None]
    root = np.concatenate([level, np.full((len(heading), 1), 0.9)], axis=1)
    rotations = np.repeat(about("z", heading)[:, None], len(SEGMENTS), axis=1)
    return Track(rate, rotations, root, {"thigh.L": 0.4})


def yaw(rotations: Array) -> Array:
    return np.asarray(np.degrees(np.arctan2(rotations[:, 0, 1, 0], rotations[:, 0, 0, 0])))


def constant(value: float, seconds: float = 4.0) -> Array:
    return np.full(int(seconds * 120), value)


@pytest.mark.parametrize("degrees", [0.0, 30.0, -135.0])
def test_a_straight_walk_is_one_stretch_along_x(degrees: float) -> None:
    (stretch,) = find_stretches(track(constant(np.radians(degrees)), constant(1.2)), 1.0)
    assert stretch.seconds == pytest.approx(4.0, abs=0.02)
    # The sway at 0.9 Hz may leave a degree or so.
    assert np.abs(yaw(stretch.rotations)).max() < 2.0
    assert stretch.path[-1, 0] == pytest.approx(1.2 * stretch.seconds, rel=0.01)
    assert np.abs(stretch.path[:, 1]).max() < 0.1


def test_a_slow_curve_is_straightened() -> None:
    heading = np.radians(np.linspace(0, 90, 480))  # 22° a second
    (stretch,) = find_stretches(track(heading, constant(1.0)), 1.0)
    assert stretch.seconds == pytest.approx(4.0, abs=0.02)
    inner = yaw(stretch.rotations)[60:-60]  # at the ends the curve is not known beyond them
    assert np.abs(inner).max() < 4.0
    assert np.abs(yaw(stretch.rotations)).max() < 15.0


def test_a_sharp_turn_parts_two_stretches() -> None:
    heading = np.radians(
        np.concatenate([np.zeros(360), np.linspace(0, 180, 120), np.full(360, 180)])
    )
    stretches = find_stretches(track(heading, np.ones(840)), 1.0)
    assert len(stretches) == 2
    for stretch in stretches:
        assert 1.9 < stretch.seconds < 3.1
        assert np.median(np.abs(yaw(stretch.rotations))) < 4.0


def test_standing_is_cut_off() -> None:
    speed = np.concatenate([constant(0.0, 2), constant(1.3, 3), constant(0.0, 2)])
    (stretch,) = find_stretches(track(np.zeros(len(speed)), speed), 1.0)
    assert stretch.seconds == pytest.approx(3.0, abs=0.5)


def test_too_short_is_no_stretch() -> None:
    assert find_stretches(track(constant(0, 0.9), constant(1.2, 0.9)), 1.0) == []
    assert find_stretches(track(constant(0), constant(0.2)), 1.0) == []


def test_sampling_at_recorded_moments_is_exact() -> None:
    heading = 0.1 * np.sin(np.arange(480) / 30)
    (stretch,) = find_stretches(track(heading, constant(1.2)), 1.0)
    motion = sample(stretch, 10.0, 20, start=7 / 120)
    np.testing.assert_allclose(
        motion.rotations, stretch.rotations[7 : 7 + 20 * 12 : 12], rtol=0, atol=1e-12
    )
    assert (motion.rate, len(motion.rotations)) == (10.0, 20)


def test_sampling_between_recorded_moments_is_half_way() -> None:
    (stretch,) = find_stretches(track(0.3 * np.sin(np.arange(480) / 30), constant(1.2)), 1.0)
    motion = sample(stretch, 10.0, 5, start=0.5 / 120)
    angles = np.radians(yaw(stretch.rotations))
    wanted = (angles[0:60:12] + angles[1:61:12]) / 2
    np.testing.assert_allclose(np.radians(yaw(motion.rotations)), wanted, atol=1e-9)
    np.testing.assert_allclose(
        motion.rotations @ motion.rotations.swapaxes(-1, -2),
        np.broadcast_to(np.eye(3), motion.rotations.shape),
        atol=1e-9,
    )


def test_pelvis_moves_about_the_mean_velocity() -> None:
    (stretch,) = find_stretches(track(constant(0.7), constant(1.2)), 1.0)
    motion = sample(stretch, 10.0, 33, start=0.0)
    assert motion.speed == pytest.approx(1.2, abs=0.01)
    np.testing.assert_allclose(motion.pelvis.mean(axis=0), 0, atol=1e-9)
    assert np.ptp(motion.pelvis[:, 1]) == pytest.approx(0.06, abs=0.02)
    assert np.ptp(motion.pelvis[:, 0]) < 0.02
    assert motion.lengths == {"thigh.L": 0.4}


def test_halves_share_no_frame() -> None:
    (stretch,) = find_stretches(track(constant(0), constant(1.2)), 1.0)
    first, second = stretch.halves()
    assert len(first.path) + len(second.path) == len(stretch.path)
    assert first.path[-1, 0] < second.path[0, 0]
