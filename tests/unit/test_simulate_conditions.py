import numpy as np
import pytest

from train.simulate.bodies.body import RestBody, joints, pose
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.conditions import (
    Clothes,
    Condition,
    carry_box,
    dress,
    hold_umbrella,
    take_bag,
    wear_light,
    wear_thick,
    wear_uniform,
)
from train.simulate.identity import average_shape, sample_shape
from train.simulate.movement.gait_curves import average_style
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.walking import walk
from train.simulate.sensors.scene import VIEWS
from train.simulate.walk import Sighting, observe

BASIS = capsule_basis()
BODY = BASIS.shape(*average_shape(3))
SEEDS = range(8)


def motion(frames: int = 12) -> Motion:
    rng = np.random.default_rng(0)
    return walk(average_style(), rng, frames=frames, rate=10, leg_length=BODY.leg_length)


def added(dressed: RestBody) -> np.ndarray:
    return np.arange(len(dressed.points)) >= len(BODY.points)


def see(*conditions: Condition, seed: int = 1, view: str = "090", frames: int = 12) -> Sighting:
    rng = np.random.default_rng(seed)
    return observe(BODY, motion(frames), VIEWS[view], conditions, (4, 20), rng)


def area(sighting: Sighting) -> float:
    return float((sighting.silhouettes > 127).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_clothes_move_the_skin_outward(seed: int) -> None:
    light = wear_light(BODY, np.random.default_rng(seed))
    thick = wear_thick(BODY, np.random.default_rng(seed))
    count = len(BODY.points)
    trunk = BODY.weights[:, SEGMENTS.index("thorax")] == 1

    def moved(dressed: RestBody) -> np.ndarray:
        out = (dressed.points[:count] - BODY.points) * BODY.normals
        return np.asarray(out.sum(axis=1)[trunk])

    assert 0 <= moved(light).mean() <= 0.012
    assert 0.025 <= moved(thick).mean() <= 0.055


def test_own_clothes_stay_the_same_from_walk_to_walk() -> None:
    def dressed(walk: int, wardrobe: int | None) -> np.ndarray:
        own = None if wardrobe is None else np.random.default_rng(wardrobe)
        rng = np.random.default_rng(walk)
        return dress(BODY, motion(), (), rng, Clothes.ANY, own)[0].points

    np.testing.assert_array_equal(dressed(0, 7), dressed(1, 7))
    assert not np.array_equal(dressed(0, 7), dressed(0, 8))
    assert not np.array_equal(dressed(0, None), dressed(1, None))


def test_the_uniform_is_the_same_for_everybody() -> None:
    other = BASIS.shape(*sample_shape(np.random.default_rng(5), 3))
    differences = []
    for person in (BODY, other):
        dressed = wear_uniform(person)
        differences.append(dressed.points[: len(person.points)] - person.points)
    np.testing.assert_allclose(differences[0], differences[1], atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bag_is_at_the_back_the_hip_or_in_a_hand(seed: int) -> None:
    carrying = take_bag(BODY, np.random.default_rng(seed))
    posed = pose(carrying, motion())
    bag = posed[:, :, added(carrying)]
    assert 0.15 < np.ptp(bag, axis=2).max() < 0.8
    person = posed[:, :, ~added(carrying)]
    behind = bag[:, 0].mean() < person[:, 0].mean() - 0.1
    aside = abs(bag[:, 1].mean()) > 0.1
    assert behind or aside
    assert bag[:, 2].min() > 0.05
    assert bag[:, 2].max() < 1.65


@pytest.mark.parametrize("seed", SEEDS)
def test_a_box_is_before_the_belly_between_the_hands(seed: int) -> None:
    carrying, moved = carry_box(BODY, motion(), np.random.default_rng(seed))
    posed = pose(carrying, moved)
    box = posed[:, :, added(carrying)]
    thorax = posed[:, :, np.flatnonzero(BODY.weights[:, SEGMENTS.index("thorax")] == 1)]
    assert np.all(box[:, 0].min(axis=1) > thorax[:, 0].mean(axis=1))
    where = joints(BODY, moved)
    for side in "LR":
        shoulder = where[:, SEGMENTS.index(f"upper_arm.{side}")]
        wrist = where[:, SEGMENTS.index(f"hand.{side}")]
        assert np.all(wrist[:, 0] > shoulder[:, 0] + 0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_umbrella_is_over_the_head(seed: int) -> None:
    carrying, moved = hold_umbrella(BODY, motion(), np.random.default_rng(seed))
    posed = pose(carrying, moved)
    umbrella = posed[:, :, added(carrying)]
    head = posed[:, :, np.flatnonzero(BODY.weights[:, SEGMENTS.index("head")] == 1)]
    assert np.all(umbrella[:, 2].max(axis=1) > head[:, 2].max(axis=1))
    roof = umbrella[:, :, umbrella[0, 2] > head[0, 2].max() - 0.1]
    centre = roof[:, :2].mean(axis=2)
    assert np.abs(centre - head[:, :2].mean(axis=2)).max() < 0.15
    assert np.ptp(roof[:, 1], axis=1).min() > 0.8


def test_what_is_worn_does_not_depend_on_the_person() -> None:
    other = BASIS.shape(*sample_shape(np.random.default_rng(5), 3))
    states = []
    for person in (BODY, other):
        rng = np.random.default_rng(9)
        dress(person, motion(), (Condition.CLOTHING, Condition.BAG, Condition.CARRYING), rng)
        states.append(rng.bit_generator.state)
    assert states[0] == states[1]


@pytest.mark.parametrize("view", ["000", "090", "225"])
def test_every_condition_changes_both_pictures(view: str) -> None:
    for condition in Condition:
        if condition in (Condition.NORMAL, Condition.NIGHT):
            continue
        plain, changed = (
            [see(*chosen, seed=s, view=view) for s in range(3)] for chosen in ((), (condition,))
        )
        for name in ("silhouettes", "range_views"):
            means = [
                np.mean([(getattr(s, name) > 0).mean(axis=0) for s in group], axis=0)
                for group in (plain, changed)
            ]
            assert np.abs(means[0] - means[1]).mean() > 0.005, (condition, name)


def test_night_breaks_silhouettes_and_leaves_the_lidar_alone() -> None:
    day, night = see(Condition.NORMAL), see(Condition.NIGHT)
    assert area(night) < 0.95 * area(day)
    assert len(day.points) == len(night.points)
    for one, two in zip(day.points, night.points, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_occluder_costs_the_lidar_points() -> None:
    free = sum(len(c) for s in SEEDS for c in see(seed=s).points)
    hidden = sum(len(c) for s in SEEDS for c in see(Condition.OCCLUSION, seed=s).points)
    assert 0.4 < hidden / free < 0.95


def test_conditions_combine() -> None:
    both = see(Condition.CARRYING, Condition.UMBRELLA)
    assert area(both) != area(see(Condition.UMBRELLA))
    assert both.silhouettes.shape[1:] == (64, 64)
    assert both.range_views.shape[1:] == (3, 64, 64)
    assert len(both.silhouettes) == len(both.range_views) == len(both.points)
