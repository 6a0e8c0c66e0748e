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
    np.testing.assert_array_equal(recording.joints[:, 0], [[1, 2, 3], [0, 0, 0]])


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
    np.testing.assert_allclose(scaled.joints[0, 0], [0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("HIERARCHY", ":version 1.10", 1, "is this a BVH file"),
        ("ROOT", "JOINT", 2, "want 'ROOT'"),
        ("ROOT Hips", "ROOT", 2, "wants a name"),
        ("ROOT Hips\n{", "ROOT Hips", 3, "want '{'"),
        ("OFFSET 0 0 0\n", "", 2, "wants an OFFSET"),
        ("OFFSET 0 0 0", "OFFSET 0 nan 0", 4, "NaN"),
        ("OFFSET 0 0 0", "OFFSET 0 0", 4, "got 2 numbers"),
        ("OFFSET 0 -4 0", "OFFSET 0 -4 0\nOFFSET 0 -4 0", 9, "a second one"),
        ("CHANNELS 6", "CHANNELS 5", 5, "want 5 different channels"),
        ("CHANNELS 3", "CHANNELS three", 9, "whole number from 0 to 9"),
        ("3 Zrotation Xrotation", "3 Zrotation Zrotation", 9, "different channels"),
        ("3 Zrotation", "3 Zturn", 9, "different channels"),
        ("OFFSET 0 -3 1", "CHANNELS 0", 12, "want 'OFFSET'"),
        ("}\nMOTION", "MOTION", 15, "unknown here"),
        ("MOTION", "ROOT Other", 16, "one root only"),
        ("Frames: 2", "Frames 2", 17, "Frames: <count>"),
        ("Frames: 2", "Frames: 99999999999", 17, "whole number"),
        ("Frame Time: 0.025", "Frame Time:", 18, "Frame Time: <seconds>"),
        ("0.025", "0", 18, "frame time of 0 s"),
        ("1 2 3 0", "1 2 3", 19, "got 17 numbers, want 9"),
        ("1 2 3 0", "1 2 inf 0", 19, "NaN and infinite"),
    ],
)
def test_malformed_files_name_their_line(old: str, new: str, line: int, message: str) -> None:
    assert old in TINY
    with pytest.raises(MotionFileError, match=message) as caught:
        parse_bvh(Source("a.bvh", TINY.replace(old, new, 1)))
    assert caught.value.fields == {"file": "a.bvh", "line": line}


def test_files_cut_off_before_the_first_frame_ends() -> None:
    for end in range(TINY.index("1 2 3 0") + len("1 2 3 0 0 0 0 0 ")):
        with pytest.raises(MotionFileError):
            parse_bvh(Source("a.bvh", TINY[:end]))


def same(text: str) -> None:
    """Checks that a way of writing the tiny file is read as the tiny file."""
    want, got = parse_bvh(Source("a.bvh", TINY)), parse_bvh(Source("a.bvh", text))
    assert (got.skeleton.names, got.rate) == (want.skeleton.names, want.rate)
    np.testing.assert_array_equal(got.skeleton.tails, want.skeleton.tails)
    np.testing.assert_allclose(got.rotations, want.rotations, atol=1e-12)
    np.testing.assert_allclose(got.joints, want.joints, atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ROOT Hips\n{\n", "ROOT Hips {\n"),
        ("\n{\n", "{ "),
        ("\n", "\r"),
        ("\n", "\r\n"),
        (" ", "\t"),
        ("-4 0", "-4.0e+0 0.0E0"),
        ("End Site", "END site"),
        ("HIERARCHY", "Hierarchy"),
        ("Frames: 2", "Frames:2"),
        ("Frame Time: ", "Frame  time:\t"),
        ("Frames: 2", "Frames: 3"),
        ("90 0 0 0 90 0", "90 0\n0 0 90 0"),
        ("0 0 0 90 0 0 0 90 0\n", "0 0 0 90 0 0 0 90 0\n0 0 0 90"),
    ],
)
def test_what_programs_write_differently_is_read_alike(old: str, new: str) -> None:
    assert old in TINY
    same(TINY.replace(old, new))


def test_a_byte_order_mark_is_no_word() -> None:
    same(Source.decode("a.bvh", b"\xef\xbb\xbf" + TINY.encode()).text)


def test_frames_after_those_said_are_left_out() -> None:
    text = TINY.replace("Frames: 2", "Frames: 1")
    assert len(parse_bvh(Source("a.bvh", text)).rotations) == 1


KNEE_MOVES = TINY.replace("CHANNELS 3", "CHANNELS 6 Xposition Yposition Zposition")


@pytest.mark.parametrize(
    ("offset", "moves"),
    [("0 -4 0", "0 -4 0"), ("0 0 0", "0 -4 0"), ("0 -4 0", "0 0 0"), ("0 -5 1", "0 -4 0")],
)
def test_positions_of_a_child_replace_its_offset_or_add_to_it(offset: str, moves: str) -> None:
    text = KNEE_MOVES.replace("OFFSET 0 -4 0", f"OFFSET {offset}")
    text = text.replace("1 2 3 0 0 0 ", f"1 2 3 0 0 0 {moves} ")
    same(text.replace("0 0 0 90 0 0 ", f"0 0 0 90 0 0 {moves} "))


def test_a_child_that_moves_is_where_it_says() -> None:
    text = KNEE_MOVES.replace("1 2 3 0 0 0 ", "1 2 3 0 0 0 0 -4 0 ")
    recording = parse_bvh(Source("a.bvh", text.replace("0 0 0 90 0 0 ", "0 0 0 90 0 0 0 -6 0 ")))
    # Hips turned about z by 90° take −y to x.
    np.testing.assert_allclose(recording.joints[:, 1], [[1, -2, 3], [6, 0, 0]], atol=1e-12)


def test_a_bind_pose_before_the_walk_is_left_out() -> None:
    rows = "0 0 0 90 0 0 0 90 0\n" * 3
    text = TINY.replace("Frames: 2", "Frames: 4").replace("0 0 0 90 0 0 0 90 0\n", rows)
    assert len(parse_bvh(Source("a.bvh", text)).rotations) == 3


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
