import numpy as np
import pytest

from gait.errors import MotionFileError
from tests import walking_files
from train.simulate.mocap.asf import parse_asf
from train.simulate.mocap.source import MAX_BONES, MAX_BYTES, Source

TINY = """:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
:bonedata
  begin
    name thigh   # a comment
    direction 0 -2 0
    length 9
    axis 0 0 90 XYZ
    dof rx rz
    limits (-10 10)
           (-20 20)
  end
  begin
    name shank
    direction 3 0 4
    length 4.5
    axis 90 0 0 ZYX
  end
:hierarchy
  begin
    root thigh
    thigh shank
  end
"""


def test_directions_become_metres_from_head_to_tail() -> None:
    skeleton = parse_asf(Source("a.asf", TINY)).skeleton
    metres = 0.0254 / 0.45
    assert skeleton.names == ("root", "thigh", "shank")
    assert skeleton.parents == (-1, 0, 1)
    np.testing.assert_allclose(skeleton.tails[1], [0, -9 * metres, 0])
    np.testing.assert_allclose(skeleton.heads[2], [0, -9 * metres, 0])
    np.testing.assert_allclose(
        skeleton.tails[2] - skeleton.heads[2], np.array([2.7, 0, 3.6]) * metres
    )


def test_axes_follow_the_order_they_are_written_with() -> None:
    actor = parse_asf(Source("a.asf", TINY))
    np.testing.assert_allclose(actor.axes[1] @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    # ZYX: the angles are those of z, y and x, and z turns first: by 90° it takes x to y.
    np.testing.assert_allclose(actor.axes[2] @ [1, 0, 0], [0, 1, 0], atol=1e-15)


def test_radians_are_radians() -> None:
    text = TINY.replace("angle deg", "angle rad").replace("axis 0 0 90", "axis 0 0 1.5707963268")
    np.testing.assert_allclose(
        parse_asf(Source("a.asf", text)).axes[1] @ [1, 0, 0], [0, 1, 0], atol=1e-9
    )


def test_channels_and_the_limits_beside_them() -> None:
    actor = parse_asf(Source("a.asf", TINY))
    assert actor.channels == (("tx", "ty", "tz", "rx", "ry", "rz"), ("rx", "rz"), ())


def test_a_whole_skeleton() -> None:
    skeleton = parse_asf(Source("a.asf", walking_files.asf())).skeleton
    assert set(skeleton.names) == {"root", *walking_files.BONES}
    assert all(parent < child for child, parent in enumerate(skeleton.parents))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (":version 1.10", "HIERARCHY", 1, "is this an ASF file"),
        (":version", ":colour", 1, "unknown section"),
        ("length 0.45", "length 0", 4, "more than 0"),
        ("angle deg", "angle grad", 5, "'deg' or 'rad'"),
        ("mass 1.0", "luck 1.0", 3, "unknown unit"),
        ("TX TY TZ RX RY RZ", "TX TY TZ RX RY", 8, "the root wants"),
        ("axis XYZ", "axis XYX", 8, "each of X, Y and Z once"),
        ("axis XYZ", "colour red", 8, "unknown line"),
        ("    direction 0 -2 0\n", "", 10, "no 'direction'"),
        ("direction 0 -2 0", "direction 0 0 0", 12, "must not be zero"),
        ("direction 0 -2 0", "direction 0 nan 0", 12, "NaN"),
        ("direction 0 -2 0", "direction 0 -2", 12, "got 2 numbers, want 3"),
        ("length 9", "length nine", 13, "could not convert"),
        ("length 9", "length -9", 13, "must not be negative"),
        ("length 9", "length 9\n    length 9", 14, "appears twice"),
        ("dof rx rz", "dof rx l", 15, "got channels"),
        ("  end\n  begin", "  begin", 18, "begins inside another"),
        ("name shank", "name thigh", 19, "appears twice"),
        ("name shank", "name", 20, "want one word"),
        ("thigh shank\n", "thigh foot\n", 28, "unknown bone 'foot'"),
        ("thigh shank\n", "calf shank\n", 28, "'calf' has no parent"),
        ("thigh shank\n", "thigh thigh\n", 28, "two parents"),
        ("    thigh shank\n", "", 28, "'shank' has no place"),
        (":hierarchy\n  begin", ":hierarchy", 26, "'begin' and 'end'"),
    ],
)
def test_malformed_files_name_their_line(old: str, new: str, line: int, message: str) -> None:
    assert old in TINY
    with pytest.raises(MotionFileError, match=message) as caught:
        parse_asf(Source("a.asf", TINY.replace(old, new, 1)))
    assert caught.value.fields == {"file": "a.asf", "line": line}
    assert str(caught.value).startswith(f"a.asf:{line}: ")


def test_a_missing_section_and_an_endless_bone() -> None:
    with pytest.raises(MotionFileError, match="without a ':bonedata' section"):
        parse_asf(Source("a.asf", TINY[: TINY.index(":bonedata")]))
    with pytest.raises(MotionFileError, match="this bone has no 'end'"):
        parse_asf(
            Source("a.asf", TINY.replace("XYZ\n    dof", "XYZ\n:hierarchy\n    dof", 1)[:300])
        )


def test_the_number_of_bones_is_capped() -> None:
    bone = "begin\nname b{}\ndirection 0 1 0\nlength 1\naxis 0 0 0\nend\n"
    many = "".join(bone.format(index) for index in range(MAX_BONES))
    text = TINY[: TINY.index("  begin")] + many + TINY[TINY.index(":hierarchy") :]
    with pytest.raises(MotionFileError, match=f"more than {MAX_BONES} bones"):
        parse_asf(Source("a.asf", text))


def test_bytes_are_capped_and_must_be_text() -> None:
    with pytest.raises(MotionFileError, match="cut the recording"):
        Source.decode("a.asf", bytes(MAX_BYTES + 1))
    with pytest.raises(MotionFileError, match="not a text file") as caught:
        Source.decode("a.asf", b":version\n\xff\xfe")
    assert caught.value.fields == {"file": "a.asf", "line": 2}
