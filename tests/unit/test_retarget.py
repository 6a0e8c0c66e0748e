from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gait.errors import MotionFileError
from tests import walking_files
from train.simulate.mocap.amc import parse_amc
from train.simulate.mocap.asf import parse_asf
from train.simulate.mocap.bvh import parse_bvh
from train.simulate.mocap.recording import Recording
from train.simulate.mocap.retarget import retarget
from train.simulate.mocap.source import Source
from train.simulate.movement.motion import REFERENCE, SEGMENTS
from train.simulate.movement.rotation import about


def recording(pose: str = "") -> Recording:
    """One frame at rest, but for the bone lines of `pose`."""
    actor = parse_asf(Source("a.asf", walking_files.asf()))
    moved = {line.split()[0]: line for line in pose.splitlines()}
    lines = ["root 0 17 0 0 0 0"]
    for name, (_, _, _, channels) in walking_files.BONES.items():
        if channels:
            lines.append(moved.get(name, f"{name} " + " ".join("0" for _ in channels.split())))
    text = ":FULLY-SPECIFIED\n:DEGREES\n1\n" + "\n".join(lines) + "\n"
    return parse_amc(Source("a.amc", text), actor)


def direction(rotations: NDArray[np.float64], key: str) -> NDArray[np.float64]:
    """Where a segment points: x forward, y left, z up."""
    reference = np.array(REFERENCE[key.partition(".")[0]])
    return np.asarray(rotations[0, SEGMENTS.index(key)] @ reference)


def test_arms_out_at_rest_are_arms_out_in_the_reference_stance() -> None:
    track = retarget(recording())
    np.testing.assert_allclose(direction(track.rotations, "upper_arm.L"), [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(direction(track.rotations, "forearm.R"), [0, -1, 0], atol=1e-9)
    # Raised sideways and not twisted: what faced forward still does.
    raised = track.rotations[0, SEGMENTS.index("upper_arm.L")]
    np.testing.assert_allclose(raised @ [1, 0, 0], [1, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    "key", ["pelvis", "thorax", "head", "clavicle.L", "thigh.L", "shank.R", "foot.L", "toes.R"]
)
def test_standing_upright_with_flat_feet_is_the_identity(key: str) -> None:
    turned = retarget(recording()).rotations[0, SEGMENTS.index(key)]
    np.testing.assert_allclose(turned, np.eye(3), atol=1e-9)


def test_hip_flexion_brings_the_thigh_forward_and_knee_flexion_the_shank_back() -> None:
    rotations = retarget(recording("lfemur -30 0 0\nltibia 90")).rotations
    np.testing.assert_allclose(direction(rotations, "thigh.L"), [0.5, 0, -np.sqrt(0.75)], atol=1e-6)
    np.testing.assert_allclose(
        direction(rotations, "shank.L"), [-np.sqrt(0.75), 0, -0.5], atol=1e-6
    )
    np.testing.assert_allclose(direction(rotations, "thigh.R"), [0, 0, -1], atol=1e-9)


def test_the_lumbar_spine_turns_by_the_mean_of_its_bones() -> None:
    turned = retarget(recording("upperback 40 0 0")).rotations[0, SEGMENTS.index("lumbar")]
    np.testing.assert_allclose(turned, about("y", np.radians(20.0)), atol=1e-6)


def test_lengths_are_the_skeletons() -> None:
    lengths = retarget(recording()).lengths
    assert lengths["thigh.L"] == pytest.approx(7.5 * 0.0254 / 0.45)
    assert lengths["lumbar"] == pytest.approx(4 * 0.0254 / 0.45)
    assert "pelvis" not in lengths


def test_bvh_and_amc_of_one_walk_agree() -> None:
    actor = parse_asf(Source("a.asf", walking_files.asf()))
    from_amc = retarget(parse_amc(Source("a.amc", walking_files.amc()), actor))
    from_bvh = retarget(parse_bvh(Source("a.bvh", walking_files.bvh())).scaled(0.01))
    np.testing.assert_allclose(from_bvh.rotations, from_amc.rotations[::4], atol=1e-5)
    np.testing.assert_allclose(from_bvh.root, from_amc.root[::4], atol=1e-5)
    assert from_bvh.lengths == pytest.approx(from_amc.lengths, abs=1e-6)


@pytest.mark.parametrize("tilt", [about("x", np.array(np.pi / 2)), about("z", np.array(np.pi / 2))])
def test_any_world_and_rest_axes_will_do(tilt: NDArray[np.float64]) -> None:
    """The same recording written with z up, or x up."""
    plain = recording("lfemur -30 0 0")
    rest = plain.skeleton
    tilted = replace(
        plain,
        skeleton=replace(rest, heads=rest.heads @ tilt.T, tails=rest.tails @ tilt.T),
        rotations=tilt @ plain.rotations @ tilt.T,
        joints=plain.joints @ tilt.T,
    )
    one, other = retarget(plain), retarget(tilted)
    heading = other.rotations[0, 0]  # which level axis is forward is free
    np.testing.assert_allclose(heading[2], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(heading.T @ other.rotations, one.rotations, atol=1e-9)
    assert other.root[0, 2] == pytest.approx(one.root[0, 2])


def test_segments_that_are_missing_turn_with_their_parents() -> None:
    whole = recording("lfoot 20 0")
    names = tuple(name.replace("ltoes", "strut") for name in whole.skeleton.names)
    track = retarget(replace(whole, skeleton=replace(whole.skeleton, names=names)))
    foot, toes = (track.rotations[0, SEGMENTS.index(key)] for key in ("foot.L", "toes.L"))
    np.testing.assert_array_equal(foot, toes)
    assert "toes.L" not in track.lengths


def test_hips_at_one_place_are_refused() -> None:
    whole = recording()
    heads = whole.skeleton.heads.copy()
    heads[[whole.skeleton.names.index(name) for name in ("lfemur", "rfemur")]] = 0
    with pytest.raises(MotionFileError, match="thigh start at the same place"):
        retarget(replace(whole, skeleton=replace(whole.skeleton, heads=heads)))
