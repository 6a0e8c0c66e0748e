from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait.errors import MotionFileError
from train.simulate.mocap.bvh import parse_bvh
from train.simulate.mocap.source import MAX_BONES, Source

TINY = """HIERARCHY
ROOT Hips
{
OFFSET 0 0 0
CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
JOINT Knee
{
OFFSET 0 -4 0
CHANNELS 3 Zrotation Xrotation Yrotation
End Site
{
OFFSET 0 -3 1
}
}
}
MOTION
Frames: 2
Frame Time: 0.025
1 2 3 0 0 0 0 0 0
0 0 0 90 0 0 0 90 0
"""


def test_skeleton_and_rate() -> None:
    recording = parse_bvh(Source("a.bvh", TINY))
    skeleton = recording.skeleton
    assert (skeleton.names, skeleton.parents, recording.rate) == (("Hips", "Knee"), (-1, 0), 40)
    np.testing.assert_array_equal(skeleton.heads, [[0, 0, 0], [0, -4, 0]])
    np.testing.assert_array_equal(skeleton.tails, [[0, -4, 0], [0, -7, 1]])
    np.testing.assert_array_equal(recording.root, [[1, 2, 3], [0, 0, 0]])


def test_joints_turn_with_their_parents() -> None:
    turned = parse_bvh(Source("a.bvh", TINY)).rotations[1]
    # Hips: z by 90° takes −y to x. Knee: x by 90° takes −y to −z, which the hips leave there.
    np.testing.assert_allclose(turned[0] @ [0, -1, 0], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(turned[1] @ [0, -1, 0], [0, 0, -1], atol=1e-15)


def test_the_last_rotation_listed_is_applied_first() -> None:
    turned = parse_bvh(Source("a.bvh", TINY.replace("90 0 0 0 90 0", "0 0 0 90 90 0"))).rotations
    # R_z R_x: x by 90° takes y to z, z leaves it. (R_x R_z would take y to −x.)
    np.testing.assert_allclose(turned[1, 1] @ [0, 1, 0], [0, 0, 1], atol=1e-15)


def test_scaled_to_metres() -> None:
    scaled = parse_bvh(Source("a.bvh", TINY)).scaled(0.01)
    np.testing.assert_allclose(scaled.skeleton.tails[1], [0, -0.07, 0.01])
    np.testing.assert_allclose(scaled.root[0], [0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("HIERARCHY", ":version 1.10", 1, "is this a BVH file"),
        ("ROOT", "JOINT", 2, "want 'ROOT'"),
        ("ROOT Hips", "ROOT", 2, "a name of its own"),
        ("Knee", "Hips", 6, "a name of its own"),
        ("ROOT Hips\n{", "ROOT Hips", 3, "want '{'"),
        ("OFFSET 0 0 0\n", "", 2, "wants an OFFSET"),
        ("OFFSET 0 0 0", "OFFSET 0 nan 0", 4, "NaN"),
        ("OFFSET 0 0 0", "OFFSET 0 0", 4, "got 2 numbers"),
        ("OFFSET 0 -4 0", "OFFSET 0 -4 0\nOFFSET 0 -4 0", 9, "a second one"),
        ("CHANNELS 6", "CHANNELS 5", 5, "want 5 different channels"),
        ("CHANNELS 3", "CHANNELS three", 9, "whole number from 1 to 6"),
        ("3 Zrotation Xrotation", "3 Zrotation Zrotation", 9, "different channels"),
        ("3 Zrotation", "3 Zscale", 9, "different channels"),
        ("End Site\n{\nOFFSET 0 -3 1\n}\n", "", 6, "JOINT or End Site"),
        ("OFFSET 0 -3 1", "CHANNELS 0", 12, "want 'OFFSET'"),
        ("}\nMOTION", "MOTION", 15, "unknown here"),
        ("MOTION", "ROOT Other", 16, "one root only"),
        ("Frames: 2", "Frames 2", 17, "Frames: <count>"),
        ("Frames: 2", "Frames: 99999999999", 17, "whole number"),
        ("Frames: 2", "Frames: 3", 20, "got 2 frames, the header says 3"),
        ("Frame Time: 0.025", "Frame Time:", 18, "Frame Time: <seconds>"),
        ("0.025", "0", 18, "frame time of 0 s"),
        ("1 2 3 0", "1 2 3", 19, "got 8 numbers, want 9"),
        ("1 2 3 0", "1 2 inf 0", 19, "NaN and infinite"),
    ],
)
def test_malformed_files_name_their_line(old: str, new: str, line: int, message: str) -> None:
    assert old in TINY
    with pytest.raises(MotionFileError, match=message) as caught:
        parse_bvh(Source("a.bvh", TINY.replace(old, new, 1)))
    assert caught.value.fields == {"file": "a.bvh", "line": line}


def test_cut_off_files() -> None:
    for end in range(len(TINY) - 20):
        with pytest.raises(MotionFileError):
            parse_bvh(Source("a.bvh", TINY[:end]))


def test_the_number_of_joints_is_capped() -> None:
    chain = "".join(f"JOINT b{i}\n{{\nOFFSET 0 1 0\n" for i in range(MAX_BONES))
    text = TINY.replace("JOINT Knee\n{\n", chain)
    with pytest.raises(MotionFileError, match=f"more than {MAX_BONES} joints"):
        parse_bvh(Source("a.bvh", text))


@given(
    st.text(alphabet="0123456789 .-\n{}JOINTOFSEChannels", max_size=40), st.integers(0, len(TINY))
)
def test_any_damage_is_a_named_error_or_harmless(junk: str, at: int) -> None:
    with suppress(MotionFileError):
        recording = parse_bvh(Source("a.bvh", TINY[:at] + junk + TINY[at + len(junk) :]))
        assert np.isfinite(recording.rotations).all()
