"""Files of every kind that people have give the walk that they hold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bvh_styles import OFFSETS, STYLES, write_bvh
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.simulate.mocap.anatomy import find_segments, guess_unit
from train.simulate.mocap.bvh import parse_bvh
from train.simulate.mocap.retarget import retarget
from train.simulate.mocap.source import Source
from train.simulate.mocap.stretches import find_stretches, sample
from train.simulate.movement.gait_curves import sample_style
from train.simulate.movement.motion import REFERENCE, SEGMENTS, Motion
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.movement.walking import walk

Array = NDArray[np.float64]

RATE = 30.0
LEG = 0.84

LIMBS = ("upper_arm", "forearm", "thigh", "shank")


def drawn(seed: int) -> Motion:
    """Four seconds by the gait curves; smooth, as irregularities have knots half a second apart."""
    rng = np.random.default_rng(seed)
    return walk(sample_style(rng), rng, frames=120, rate=RATE, leg_length=LEG)


def read(text: str) -> Motion:
    """What is read of a file, from its longest stretch, at the file's own rate."""
    recording = parse_bvh(Source("a.bvh", text))
    unit = guess_unit(find_segments(recording.skeleton, recording.name))
    stretches = find_stretches(retarget(recording.scaled(unit)), 1.0)
    longest = max(stretches, key=lambda stretch: stretch.seconds)
    return sample(longest, longest.rate, len(longest.path), 0.0)


def directions(motion: Motion, part: str) -> Array:
    """`(t, s, 3)` where the segments of a kind point."""
    at = [index for index, key in enumerate(SEGMENTS) if key.partition(".")[0] == part]
    return motion.rotations[:, at] @ np.array(REFERENCE[part], dtype=np.float64)


def apart(one: Array, other: Array) -> Array:
    """Degrees between directions."""
    return np.asarray(np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1))))


def check(got: Motion, want: Motion, rest_known: bool) -> None:
    """Limbs to 2° in the mean (what the heading's smoothing costs), feet and trunk to 3°.

    Where the file's rest pose does not say how feet and trunk stand, feet and trunk to 8° and the
    head, which people hold as they like, to 25°; less a constant all of them to 3°.
    """
    assert len(got.rotations) == len(want.rotations)
    assert got.speed == pytest.approx(want.speed, rel=0.03)
    assert got.lengths["thigh.L"] == pytest.approx(-OFFSETS["shank"][2], rel=0.01)
    for part in REFERENCE:
        if part in ("toes", "hand"):
            continue
        errors = apart(directions(got, part), directions(want, part))
        loose = 25.0 if part in ("neck", "head") else 8.0
        limit = 2.0 if part in LIMBS else 3.0 if rest_known else loose
        assert errors.mean() < limit, (part, errors.mean())
        change = directions(got, part) - directions(want, part)
        spread = np.degrees(np.linalg.norm(change - change.mean(axis=0), axis=-1)).mean()
        assert spread < 3.0, (part, spread)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(3))
def test_the_walk_that_a_file_holds_is_read(style: str, seed: int) -> None:
    want = drawn(seed)
    check(read(write_bvh(want, STYLES[style])), want, STYLES[style].rest == "T")


@needs_cmu_walks
@pytest.mark.parametrize("style", STYLES)
def test_a_recorded_walk_comes_back_from_a_file(style: str) -> None:
    stretch = MotionLibrary.open(CMU_WALKS).walks("07")[0]
    want = sample(stretch, RATE, int(stretch.seconds * RATE), 0.0)
    check(read(write_bvh(want, STYLES[style])), want, STYLES[style].rest == "T")
