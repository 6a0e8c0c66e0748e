import numpy as np
import pytest

from gait.errors import MotionFileError
from tests import walking_files
from train.simulate.mocap.anatomy import USUAL_LEG, find_segments, guess_unit
from train.simulate.mocap.asf import parse_asf
from train.simulate.mocap.bvh import parse_bvh
from train.simulate.mocap.recording import Skeleton
from train.simulate.mocap.source import Source
from train.simulate.movement.motion import SEGMENTS

RIGS = {
    "cmu bvh": (
        "Hips LowerBack Spine Spine1 Neck Neck1 Head | Shoulder Arm ForeArm Hand "
        "UpLeg Leg Foot ToeBase",
        "Left{} Right{}",
    ),
    "unreal": (
        "pelvis spine_01 spine_02 spine_03 neck_01 head | clavicle upperarm lowerarm hand "
        "thigh calf foot ball",
        "{}_l {}_r",
    ),
    "unity": (
        "Hips Spine Chest UpperChest Neck Head | Shoulder UpperArm LowerArm Hand "
        "UpperLeg LowerLeg Foot Toes",
        "Left{} Right{}",
    ),
    "old": (
        "Hips Abdomen Chest Neck Head | Collar Shoulder Elbow Wrist Hip Knee Ankle Toe",
        "Left{} Right{}",
    ),
    "blender": (
        "hips spine chest neck head | shoulder upper_arm forearm hand thigh shin foot toe",
        "{}.L {}.R",
    ),
}
LEG = ("UpLeg", "UpperLeg", "thigh", "Hip")


def skeleton(rig: str) -> Skeleton:
    """Bones one above the other; arms hang on the last but two of the trunk, legs on the first."""
    trunk, limbs = (part.split() for part in RIGS[rig][0].split("|"))
    names, parents = list(trunk), [index - 1 for index in range(len(trunk))]
    chest = len(trunk) - (4 if rig == "cmu bvh" else 3)
    for side in RIGS[rig][1].split():
        for limb in limbs:
            starts = limb in LEG or limbs.index(limb) == 0
            parent = (0 if limb in LEG else chest) if starts else len(names) - 1
            names.append(side.format(limb))
            parents.append(parent)
    heads = np.arange(3.0 * len(names)).reshape(-1, 3)
    return Skeleton(tuple(names), tuple(parents), heads, heads + 1)


@pytest.mark.parametrize("rig", RIGS)
def test_every_segment_of_common_rigs_is_found(rig: str) -> None:
    bones = skeleton(rig)
    segments = find_segments(bones, "a.bvh")
    assert set(segments) == set(SEGMENTS)
    side = RIGS[rig][1].split()[0]
    arm, leg = RIGS[rig][0].split("|")[1].split()[:4], RIGS[rig][0].split()[-4:]
    for parts, limb in (
        (("clavicle", "upper_arm", "forearm", "hand"), arm),
        (("thigh", "shank", "foot", "toes"), leg),
    ):
        for part, name in zip(parts, limb, strict=True):
            assert bones.names[segments[f"{part}.L"].bones[0]] == side.format(name)


def test_a_segment_spans_all_bones_up_to_the_next() -> None:
    bones = parse_asf(Source("a.asf", walking_files.asf())).skeleton
    lumbar = find_segments(bones, "a.asf")["lumbar"]
    assert [bones.names[bone] for bone in lumbar.bones] == ["lowerback", "upperback"]
    np.testing.assert_allclose(lumbar.along, [0, 4 * 0.0254 / 0.45, 0])


def test_an_end_segment_is_its_own_bone() -> None:
    bones = parse_asf(Source("a.asf", walking_files.asf())).skeleton
    toes = find_segments(bones, "a.asf")["toes.L"]
    np.testing.assert_allclose(toes.along, [0, 0, 0.0254 / 0.45])


def test_a_missing_bone_is_named_with_what_there_is() -> None:
    bones = skeleton("unity")
    renamed = tuple(name.replace("LeftLowerLeg", "Strut") for name in bones.names)
    with pytest.raises(MotionFileError, match=r"no bone for shank\.L; want .*leftknee.*Strut"):
        find_segments(Skeleton(renamed, bones.parents, bones.heads, bones.tails), "a.bvh")


def test_a_bone_that_hangs_elsewhere_is_refused() -> None:
    bones = skeleton("unity")
    parents = list(bones.parents)
    parents[bones.names.index("LeftLowerLeg")] = 0
    with pytest.raises(MotionFileError, match="'LeftLowerLeg' does not hang on 'LeftUpperLeg'"):
        find_segments(Skeleton(bones.names, tuple(parents), bones.heads, bones.tails), "a.bvh")


def test_optional_segments_may_be_missing() -> None:
    bones = skeleton("unity")
    names = tuple(name.replace("Toes", "Strut") for name in bones.names)
    segments = find_segments(Skeleton(names, bones.parents, bones.heads, bones.tails), "a.bvh")
    assert set(SEGMENTS) - set(segments) == {"toes.L", "toes.R"}


def test_only_limbs_must_have_a_length() -> None:
    bones = skeleton("unity")
    heads = bones.heads.copy()
    heads[bones.names.index("Neck")] = heads[bones.names.index("UpperChest")]
    changed = Skeleton(bones.names, bones.parents, heads, bones.tails)
    assert set(find_segments(changed, "a.bvh")) == set(SEGMENTS)
    heads[bones.names.index("LeftFoot")] = heads[bones.names.index("LeftLowerLeg")]
    with pytest.raises(MotionFileError, match=r"shank\.L has no length"):
        find_segments(Skeleton(bones.names, bones.parents, heads, bones.tails), "a.bvh")


@pytest.mark.parametrize("metres", [1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45])
def test_the_unit_is_guessed_from_the_legs(metres: float) -> None:
    bones = parse_bvh(Source("a.bvh", walking_files.bvh(frames=2, unit=metres))).skeleton
    assert guess_unit(find_segments(bones, "a.bvh")) == pytest.approx(metres)


def test_legs_of_no_adult_in_any_unit_are_taken_for_usual_ones() -> None:
    bones = parse_bvh(Source("a.bvh", walking_files.bvh(frames=2, unit=0.3))).skeleton
    segments = find_segments(bones, "a.bvh")
    leg = sum(np.linalg.norm(segments[key].along) for key in ("thigh.L", "shank.L"))
    assert leg * guess_unit(segments) == pytest.approx(USUAL_LEG)
