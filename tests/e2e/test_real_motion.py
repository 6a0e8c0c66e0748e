"""Recorded people walk like people: signs, timing and ground contact on real data."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gait.sustech1k import find_sequences, load_range_views, load_silhouettes
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.simulate.bodies.body import joints, pose
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.config import SimulateConfig
from train.simulate.identity import Carrier
from train.simulate.mocap.stretches import Stretch, sample
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.movement.recorded import recorded_identity
from train.simulate.run import simulate

pytestmark = needs_cmu_walks

Array = NDArray[np.float64]

SUBJECTS = ("02", "05", "07", "10", "12", "16", "26", "29", "37", "39", "46")
TRIALS = {"02": 2, "07": 9, "12": 3, "16": 8, "39": 13}


@cache
def library() -> MotionLibrary:
    return MotionLibrary.open(CMU_WALKS)


def whole(stretch: Stretch) -> Motion:
    """All of a stretch as recorded."""
    return sample(stretch, stretch.rate, len(stretch.path), 0.0)


def pitch(motion: Motion, key: str) -> Array:
    """Degrees by which a limb segment points forward of straight down, `(t,)`."""
    down = motion.rotations[:, SEGMENTS.index(key)] @ [0, 0, -1]
    return np.asarray(np.degrees(np.arctan2(down[:, 0], -down[:, 2])))


def test_all_people_and_walks_are_found() -> None:
    assert library().subjects == SUBJECTS
    for subject in SUBJECTS:
        walks = library().walks(subject)
        assert len(walks) == TRIALS.get(subject, len(walks))
        assert len(walks) >= 2
        assert all(walk.seconds >= 1.0 for walk in walks)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_knees_bend_backwards_only(subject: str) -> None:
    for walk in library().walks(subject):
        motion = whole(walk)
        for side in "LR":
            bend = pitch(motion, f"thigh.{side}") - pitch(motion, f"shank.{side}")
            assert bend.min() > -3.0
            assert 45.0 < bend.max() < 90.0


@pytest.mark.parametrize("subject", SUBJECTS)
def test_legs_alternate(subject: str) -> None:
    for walk in library().walks(subject):
        motion = whole(walk)
        left, right = (pitch(motion, f"thigh.{side}") for side in "LR")
        assert np.corrcoef(left, right)[0, 1] < -0.5
        assert min(np.ptp(left), np.ptp(right)) > 25


def test_arms_counter_the_legs_of_their_side() -> None:
    swings, correlations = [], []
    for motion in (whole(walk) for subject in SUBJECTS for walk in library().walks(subject)):
        for side in "LR":
            arm, thigh = pitch(motion, f"upper_arm.{side}"), pitch(motion, f"thigh.{side}")
            swings.append(np.ptp(arm))
            correlations.append(np.corrcoef(arm, thigh)[0, 1])
    # Some people hardly swing their arms; those who do, do it against the leg.
    swinging = np.array(correlations)[np.array(swings) > 25]
    assert len(swinging) > 30
    assert swinging.max() < -0.5
    assert np.median(correlations) < -0.8


@pytest.mark.parametrize("subject", SUBJECTS)
def test_people_face_where_they_go_and_stand_upright(subject: str) -> None:
    for walk in library().walks(subject):
        motion = whole(walk)
        ahead = motion.rotations[:, SEGMENTS.index("pelvis")] @ [1, 0, 0]
        assert np.abs(np.degrees(np.arctan2(ahead[:, 1], ahead[:, 0])).mean()) < 10
        for key, degrees in (("pelvis", 20), ("lumbar", 20), ("thorax", 20), ("head", 50)):
            upright = motion.rotations[:, SEGMENTS.index(key), 2, 2]
            assert upright.mean() > np.cos(np.radians(degrees)), key
        assert 0.4 < motion.speed < 2.0


@pytest.mark.parametrize("subject", SUBJECTS)
def test_feet_are_level_while_the_body_passes_over_them(subject: str) -> None:
    for walk in library().walks(subject):
        motion = whole(walk)
        for side in "LR":
            foot = motion.rotations[:, SEGMENTS.index(f"foot.{side}")] @ [1, 0, 0]
            slope = np.degrees(np.arcsin(foot[:, 2]))
            # Under the body: the leg's line passes the vertical from front to back.
            leg = pitch(motion, f"thigh.{side}") + pitch(motion, f"shank.{side}")
            under = np.flatnonzero((leg[:-1] > 0) & (leg[1:] <= 0))
            assert np.abs(slope[under]).max(initial=0) < 18
            assert slope.max() > 8  # toes up at the heel strike
            assert slope.min() < -40  # heel up at push-off


def test_people_differ_more_than_their_walks() -> None:
    """The nearest walk of the same person is nearer than the nearest of anybody else, mostly."""
    walks = [(subject, _gait(walk)) for subject in SUBJECTS for walk in library().walks(subject)]
    names = np.array(["12" if subject == "37" else subject for subject, _ in walks])
    gaits = np.array([gait for _, gait in walks])
    distances = np.abs(gaits[:, None] - gaits).mean(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(names[distances.argmin(axis=1)] == names) > 0.85


def _gait(walk: Stretch) -> Array:
    """Quartiles of how far each limb points forward."""
    motion = whole(walk)
    keys = [
        f"{part}.{side}" for part in ("thigh", "shank", "upper_arm", "forearm") for side in "LR"
    ]
    return np.concatenate([np.percentile(pitch(motion, key), [5, 50, 95]) for key in keys])


def test_the_foot_that_bears_the_body_stays_where_it_is() -> None:
    """Posed with the actor's limbs, the lower foot moves back under the body at walking speed."""
    basis = capsule_basis()
    for subject in SUBJECTS:
        seed = np.random.SeedSequence(0)
        person = recorded_identity(basis, seed, Carrier.BOTH, library(), subject)
        motion = person.move(0, 24, np.random.default_rng(0))
        heads = joints(person.body, motion)
        points = pose(person.body, motion)
        feet = [heads[:, SEGMENTS.index(f"foot.{side}")] for side in "LR"]
        bearing = np.argmin([foot[:, 2] for foot in feet], axis=0)
        along = np.choose(bearing, [foot[:, 0] for foot in feet])
        same = bearing[1:] == bearing[:-1]
        backwards = -np.median(np.diff(along)[same]) * motion.rate
        assert backwards == pytest.approx(motion.speed, rel=0.2), subject
        np.testing.assert_allclose(points[:, 2].min(axis=1), 0, atol=1e-5)
        hips = points[:, 2, person.body.weights[:, SEGMENTS.index("pelvis")] > 0.5].mean(axis=1)
        assert 0.7 < hips.mean() < 1.1, subject
        assert np.ptp(hips) < 0.1, subject  # no hopping


def test_recorded_people_are_simulated_among_others(tmp_path: Path) -> None:
    config = SimulateConfig(
        motion=CMU_WALKS,
        people=("02", "46"),
        subjects=1,
        train=0,
        body="capsules",
        conditions=("nm",),
        views=("000", "090"),
        points=False,
    )
    simulate(config, tmp_path / "walkers", workers=1)
    found = find_sequences(tmp_path / "walkers")
    assert {s.subject for s in found} == {"0000", "mocap-02", "mocap-46"}
    assert len(found) == 3 * 2 * 2
    for sequence in found:
        silhouettes, range_views = load_silhouettes(sequence), load_range_views(sequence)
        assert len(silhouettes) == len(range_views) >= (9 if "46" in sequence.subject else 20)
    partition = json.loads((tmp_path / "walkers" / "partition.json").read_text())
    assert partition["TEST_SET"] == ["0000", "mocap-02", "mocap-46"]


def test_walks_of_12_and_37_have_almost_the_same_skeleton() -> None:
    """They may be one person: docs/motion.md says so, and this is why."""
    one, other = (library().walks(subject)[0].lengths for subject in ("12", "37"))
    assert max(abs(one[key] - other[key]) for key in ("thigh.L", "shank.L")) < 0.01


def test_a_tenth_of_a_second_apart_frames_are_those_recorded() -> None:
    walk = library().walks("02")[0]
    motion = sample(walk, 10.0, 20, start=5 / 120)
    np.testing.assert_allclose(
        motion.rotations, walk.rotations[5 : 5 + 240 : 12], rtol=0, atol=1e-9
    )
