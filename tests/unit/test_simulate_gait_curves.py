import numpy as np
import pytest

from train.simulate.bodies.body import FRAMES, joints, pose
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.identity import average_shape
from train.simulate.movement.gait_curves import (
    LIMBS,
    Style,
    average_style,
    sample_style,
)
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.walking import hold, stand, walk

BODY = capsule_basis().shape(*average_shape(3))


def a_walk(style: Style, seed: int = 0, rate: float = 100.0, seconds: float = 2.4) -> Motion:
    rng = np.random.default_rng(seed)
    frames = round(rate * seconds)
    return walk(style, rng, frames=frames, rate=rate, leg_length=BODY.leg_length)


def where(motion: Motion, name: str) -> np.ndarray:
    return joints(BODY, motion)[:, FRAMES.index(name)]


def test_series_follow_their_tables() -> None:
    phase = np.arange(20) / 20
    for name, curve in LIMBS.items():
        if len(curve.degrees) == 20:
            waves = np.exp(2j * np.pi * phase[:, None] * np.arange(7))
            got = np.degrees((waves @ curve.series()).real)
            assert np.abs(got - curve.degrees).max() < 3, name
            assert np.sqrt(np.mean((got - curve.degrees) ** 2)) < 1.2, name


def test_rotations_are_rotations() -> None:
    turns = a_walk(sample_style(np.random.default_rng(1))).rotations
    np.testing.assert_allclose(
        turns @ turns.swapaxes(2, 3), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_knees_bend_backwards_and_elbows_forwards(seed: int) -> None:
    motion = a_walk(sample_style(np.random.default_rng(seed)), seed)
    for side in "LR":
        hip, knee, ankle = (where(motion, f"{n}.{side}") for n in ("thigh", "shank", "foot"))
        thigh, shank = knee - hip, ankle - knee
        # Rotation about the body's left axis from thigh to shank: backwards is positive.
        bend = thigh[:, 2] * shank[:, 0] - thigh[:, 0] * shank[:, 2]
        assert np.median(bend) > 0
        assert bend.max() > 5 * max(0.0, -bend.min())
        shoulder, elbow, wrist = (
            where(motion, f"{n}.{side}") for n in ("upper_arm", "forearm", "hand")
        )
        upper, fore = elbow - shoulder, wrist - elbow
        flex = upper[:, 0] * fore[:, 2] - upper[:, 2] * fore[:, 0]
        assert np.median(flex) > 0


def test_legs_alternate_and_arms_swing_against_them() -> None:
    motion = a_walk(average_style())
    left, right, arm = (where(motion, n)[:, 0] for n in ("foot.L", "foot.R", "hand.L"))
    assert np.corrcoef(left, right)[0, 1] < -0.8
    assert np.corrcoef(left, arm)[0, 1] < -0.6


def test_a_foot_flat_on_the_ground_does_not_slide() -> None:
    motion = a_walk(average_style())
    posed = pose(BODY, motion)
    sole = posed[:, :, BODY.weights[:, SEGMENTS.index("foot.L")] > 0.5]
    flat = np.ptp(sole[:, 2], axis=1) < np.quantile(np.ptp(sole[:, 2], axis=1), 0.25)
    moment = np.arange(len(posed)) / motion.rate
    ground = sole[:, 0].mean(axis=1) + motion.speed * moment
    velocity = np.gradient(ground, moment)
    assert abs(np.median(velocity[flat])) < 0.25 * motion.speed


def test_people_walk_at_human_speed() -> None:
    speeds = [a_walk(sample_style(np.random.default_rng(k)), k).speed for k in range(40)]
    assert 0.9 < np.median(speeds) < 1.5
    assert min(speeds) > 0.5


def test_a_walk_is_its_seed_and_a_style_its_own() -> None:
    style = sample_style(np.random.default_rng(1))
    one, same, other = (a_walk(style, seed).rotations for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.05
    stranger = a_walk(sample_style(np.random.default_rng(2)), 1).rotations
    assert np.abs(one - stranger).max() > 0.05


def test_walks_of_one_person_are_more_alike_than_those_of_two() -> None:
    """Mean knee and thigh rotation over whole walks: within people below between people."""
    rows = []
    for person in range(12):
        style = sample_style(np.random.default_rng(person))
        for seed in (100 + person, 200 + person):
            turns = a_walk(style, seed, seconds=6).rotations
            rows.append(turns[:, :, 0, 2].std(axis=0))  # how far segments swing
    swing = np.array(rows).reshape(12, 2, -1)
    within = np.linalg.norm(swing[:, 0] - swing[:, 1], axis=1).mean()
    between = np.linalg.norm(swing[:, 0] - np.roll(swing[:, 1], 1, axis=0), axis=1).mean()
    assert within < 0.7 * between


def test_standing_does_not_move() -> None:
    motion = stand(5, 10.0)
    assert motion.speed == 0
    np.testing.assert_array_equal(motion.rotations, motion.rotations[:1].repeat(5, axis=0))
    assert np.abs(where(motion, "foot.L")[:, 0] - where(motion, "thigh.L")[:, 0]).max() < 0.05


def test_a_held_arm_keeps_its_place_on_the_trunk() -> None:
    motion = hold(a_walk(average_style()), "R", flexion=20, abduction=5, elbow=80)
    thorax = motion.rotations[:, SEGMENTS.index("thorax")]
    fore = motion.rotations[:, SEGMENTS.index("forearm.R")]
    relative = thorax.swapaxes(1, 2) @ fore
    np.testing.assert_allclose(relative, relative[:1].repeat(len(relative), 0), atol=1e-12)
    wrist, elbow = (where(motion, n) for n in ("hand.R", "forearm.R"))
    assert np.all(wrist[:, 0] > elbow[:, 0] + 0.1)
