from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait.errors import MotionFileError
from train.simulate.mocap.amc import parse_amc
from train.simulate.mocap.asf import Actor, parse_asf
from train.simulate.mocap.source import Source

from .test_asf import TINY

WALK = """#!OML:ASF walker.asf
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
thigh 0 0
2
thigh 90 0
root 0 0 0 0 90 0
"""


def actor() -> Actor:
    return parse_asf(Source("a.asf", TINY))


def test_bones_turn_about_their_own_axes_and_with_their_parents() -> None:
    recording = parse_amc(Source("a.amc", WALK), actor())
    assert recording.rotations.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(recording.rotations[0], np.tile(np.eye(3), (3, 1, 1)), atol=1e-15)
    # The thigh's own frame is turned 90° about z, so its x axis is the world's y axis: rx 90 is a
    # quarter turn about y, which takes z to x. The root's quarter turn about y then takes x to −z.
    np.testing.assert_allclose(recording.rotations[1, 1] @ [0, 0, 1], [0, 0, -1], atol=1e-12)
    # The shank has no channels: it follows the thigh.
    np.testing.assert_allclose(recording.rotations[1, 2], recording.rotations[1, 1])


def test_the_root_moves_in_metres() -> None:
    recording = parse_amc(Source("a.amc", WALK), actor(), rate=60)
    np.testing.assert_allclose(recording.joints[0, 0], np.array([1, 2, 3]) * 0.0254 / 0.45)
    assert recording.rate == 60


def test_two_channels_apply_the_first_first() -> None:
    text = WALK.replace("thigh 90 0", "thigh 90 90").replace("0 90 0\n", "0 0 0\n")
    turned = parse_amc(Source("a.amc", text), actor()).rotations[1, 1]
    # Own frame: x → world y, y → world −x, z → world z. World z is own z; rx 90 takes own z to
    # own −y, rz 90 takes own −y to own x, which is world y.
    np.testing.assert_allclose(turned @ [0, 0, 1], [0, 1, 0], atol=1e-12)


def test_radians() -> None:
    text = WALK.replace(":DEGREES", ":RADIANS").replace("90", "1.5707963268")
    turned = parse_amc(Source("a.amc", text), actor()).rotations
    np.testing.assert_allclose(
        turned, parse_amc(Source("a.amc", WALK), actor()).rotations, atol=1e-9
    )


def test_a_cut_out_take_may_start_at_any_number() -> None:
    text = WALK.replace("\n1\n", "\n10\n").replace("\n2\n", "\n11\n")
    assert len(parse_amc(Source("a.amc", text), actor()).joints) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (":FULLY-SPECIFIED\n", "", 2, "want ':FULLY-SPECIFIED' before"),
        (":DEGREES\n", "", 3, "is this an AMC file"),
        ("1\nroot 1 2", "root 1 2", 4, "want a frame number first"),
        ("1\n", "one\n", 4, "want a whole number"),
        ("2\nthigh", "3\nthigh", 7, "got frame 3, want 2"),
        ("thigh 0 0\n", "", 6, "frame 1 ends without bone 'thigh'"),
        ("root 0 0 0 0 90 0\n", "", 8, "frame 2 ends without bone 'root'"),
        ("thigh 0 0", "thigh 0", 6, "got 1 numbers, want 2"),
        ("thigh 0 0", "thigh 0 inf", 6, "NaN and infinite"),
        ("thigh 0 0", "thigh 0 1e999", 6, "NaN and infinite"),
        ("thigh 0 0", "thigh 0 x", 6, "could not convert"),
        ("thigh 0 0", "shank 0 0", 6, "'shank' is not one of"),
        ("thigh 0 0", "thigh 0 0\nthigh 0 0", 7, "appears twice"),
        (WALK[WALK.index("1\n") :], "", 3, "no frame"),
    ],
)
def test_malformed_files_name_their_line(old: str, new: str, line: int, message: str) -> None:
    assert old in WALK
    with pytest.raises(MotionFileError, match=message) as caught:
        parse_amc(Source("a.amc", WALK.replace(old, new, 1)), actor())
    assert caught.value.fields == {"file": "a.amc", "line": line}


@given(st.text(alphabet="0123456789 .-\n:abcrootthigh#eE+", max_size=60), st.integers(0, len(WALK)))
def test_any_damage_is_a_named_error_or_harmless(junk: str, at: int) -> None:
    text = WALK[:at] + junk + WALK[at + len(junk) :]
    with suppress(MotionFileError):
        recording = parse_amc(Source("a.amc", text), actor())
        assert np.isfinite(recording.rotations).all()
