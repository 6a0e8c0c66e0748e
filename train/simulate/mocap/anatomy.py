"""Which bones of a recorded skeleton are which segments of ours, by their names."""

import re
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from gait.errors import MotionFileError
from train.simulate.mocap.recording import Skeleton

Array = NDArray[np.float64]

NAMES: dict[str, tuple[str, ...]] = {
    "head": ("head", "skull", "neck"),
    "upper_arm": ("upperarm", "uparm", "uarm", "arm", "humerus", "shldr", "shoulder"),
    "clavicle": ("clavicle", "collar", "collarbone", "shoulder"),
    "forearm": ("forearm", "lowerarm", "loarm", "farm", "radius", "elbow"),
    "hand": ("hand", "wrist"),
    "thigh": ("upleg", "upperleg", "uleg", "thigh", "femur", "hip"),
    "shank": ("leg", "lowerleg", "loleg", "shin", "calf", "shank", "tibia", "knee"),
    "foot": ("ankle", "foot"),
    "toes": ("toebase", "toes", "toe", "ball", "foot"),
}
"""Names of each segment's bone, the preferred first, without side, prefix, digits and punctuation.

They cover the CMU database's ASF files and their BVH conversions, Mixamo, MotionBuilder, Unreal,
Unity, 3ds Max and Poser rigs, LaFAN1, Bandai-Namco and the older hip, knee, ankle names. A bone
serves one segment, the first in this order: a `shoulder` is an upper arm unless another bone is
called arm. The trunk needs no names: its bones are those between hips, arms and head.
"""

PREFIXES = "mixamorig|character|valvebiped|biped|bip|joint|jnt|bone|def|mavg"
"""Prefixes of joint names that mean nothing; any that all joints share is dropped too."""

NEXT: dict[str, tuple[str, ...]] = {
    "lumbar": ("thorax",),
    "thorax": ("neck", "head"),
    "neck": ("head",),
    "clavicle": ("upper_arm",),
    "upper_arm": ("forearm",),
    "forearm": ("hand",),
    "thigh": ("shank",),
    "shank": ("foot",),
    "foot": ("toes",),
}
"""The segment that starts where a segment ends, if the skeleton has it."""

OPTIONAL = ("neck", "lumbar", "clavicle", "hand", "toes")
"""Segments a skeleton may lack; each then turns with the segment it hangs on."""

RIGID = ("upper_arm", "forearm", "thigh", "shank")
"""Segments that must have a length."""

SIDES = {"": ("",), "L": ("left", "l"), "R": ("right", "r")}

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "CMU": 0.0254 / 0.45}
"""Metres of the units seen in BVH files."""

LEG = (0.55, 1.15)
"""Thigh and shank of an adult together, metres; the range tells the units above apart."""

USUAL_LEG = 0.84
"""Metres that legs are taken for whose unit is none of those."""


@dataclass(frozen=True)
class Segment:
    """The bones of one segment.

    Args:
        bones: from the segment's own joint to before the next segment's.
        start: `(3,)` where the segment starts at rest.
        along: `(3,)` from there to its end at rest.
    """

    bones: tuple[int, ...]
    start: Array
    along: Array


def find_segments(skeleton: Skeleton, name: str) -> dict[str, Segment]:
    """Finds our segments in a skeleton.

    A segment is the run of bones from its own joint to the next segment's: CMU's `lowerback` and
    `upperback` together are the lumbar spine.

    Args:
        skeleton: names, parents and rest pose.
        name: of the file, for errors.

    Returns:
        Segments by name (`thigh.L`); optional ones that the skeleton lacks are left out.

    Raises:
        MotionFileError: a segment that is not optional has no bone, no length, or hangs elsewhere.
    """
    joints = _limbs(skeleton, name)
    joints |= _trunk(skeleton, joints, name)
    segments = {key: _segment(skeleton, key, joints, name) for key in joints}
    for key, segment in segments.items():
        if key.partition(".")[0] in RIGID and np.linalg.norm(segment.along) <= 1e-9:
            raise MotionFileError(f"{name}: {key} has no length", file=name, segment=key)
    return segments


def guess_unit(segments: dict[str, Segment]) -> float:
    """Metres of a file's unit: the one of `UNITS` in which the legs are an adult's.

    Where none is, that in which they are `USUAL_LEG` long.
    """
    parts = ("thigh.L", "shank.L", "thigh.R", "shank.R")
    leg = float(sum(np.linalg.norm(segments[part].along) for part in parts)) / 2
    fitting = [metres for metres in UNITS.values() if LEG[0] <= leg * metres <= LEG[1]]
    return fitting[0] if fitting else USUAL_LEG / leg


def _limbs(skeleton: Skeleton, name: str) -> dict[str, int]:
    """The bones that start the head and the segments of arms and legs, by name."""
    plain = _plain(skeleton.names)
    joints: dict[str, int] = {}
    for part in NAMES:
        for side in ("",) if part == "head" else ("L", "R"):
            key = f"{part}.{side}" if side else part
            forms = [form for form in _forms(part, side) if form in plain]
            bone = next((b for b in map(plain.index, forms) if b not in joints.values()), None)
            if bone is not None:
                joints[key] = bone
            elif part not in OPTIONAL:
                raise MotionFileError(
                    f"{name}: no bone for {key}; want one called "
                    f"{' or '.join(_forms(part, side))} (case, digits, prefix and punctuation do "
                    f"not matter), got {', '.join(skeleton.names)}",
                    file=name,
                    segment=key,
                )
    return joints


def _trunk(skeleton: Skeleton, limbs: dict[str, int], name: str) -> dict[str, int]:
    """The bones that start pelvis, lumbar spine, thorax and neck, by where limbs hang on them.

    The pelvis carries both thighs and the spine; the thorax both arms (the clavicles of 3ds Max
    hang on its neck); what is between is the lumbar spine, what is above the neck.
    """
    above = {key: _ancestors(skeleton, bone) for key, bone in limbs.items()}
    spine = above["head"]
    legs = set(above["thigh.L"]) & set(above["thigh.R"])
    arms = set(above["upper_arm.L"]) & set(above["upper_arm.R"])
    pelvis = next((bone for bone in spine[::-1] if bone in legs), None)
    carrying = [bone for bone in spine if bone in arms]
    plain = _plain(skeleton.names)
    while len(carrying) > 1 and "neck" in plain[carrying[-1]]:
        carrying.pop()
    if pelvis is None or not carrying or carrying[-1] <= pelvis or carrying[-1] not in spine:
        raise MotionFileError(
            f"{name}: no bone for the thorax; want one between hips and head on which both arms "
            f"hang, got {', '.join(skeleton.names)}",
            file=name,
            segment="thorax",
        )
    thorax = carrying[-1]
    between = spine[spine.index(pelvis) + 1 : spine.index(thorax)]
    neck = spine[spine.index(thorax) + 1 :]
    found = {"pelvis": pelvis, "thorax": thorax}
    found |= {"lumbar": between[0]} if between else {}
    return found | ({"neck": neck[0]} if neck else {})


def _ancestors(skeleton: Skeleton, bone: int) -> list[int]:
    """From the root to the bone's parent."""
    found: list[int] = []
    while (bone := skeleton.parents[bone]) >= 0:
        found.append(bone)
    return found[::-1]


def _forms(part: str, side: str) -> list[str]:
    if not side:
        return list(NAMES[part])
    both = [(word + alias, alias + word) for alias in NAMES[part] for word in SIDES[side]]
    return [form for pair in both for form in pair]


def _plain(names: tuple[str, ...]) -> list[str]:
    """`mixamorig:LeftUpLeg` → `leftupleg`, `Bip01 L Thigh` → `lthigh`, `foot_01` → `foot`."""
    short = [re.sub(r"[^a-z]", "", re.split(r"[:|]", name.lower())[-1]) for name in names]
    first, last = (min(short[1:]), max(short[1:])) if len(short) > 2 else ("", "")
    same = (one == other for one, other in zip(first, last, strict=False))
    shared = sum(1 for _ in takewhile(bool, same))
    short = [short[0], *(name[shared:] for name in short[1:])]
    return [re.sub(rf"^({PREFIXES})+(?=.)", "", name) for name in short]


def _segment(skeleton: Skeleton, key: str, joints: dict[str, int], name: str) -> Segment:
    part, dot, side = key.partition(".")
    start = joints[key]
    following = [joints.get(step + dot + side, joints.get(step)) for step in NEXT.get(part, ())]
    end = next((bone for bone in following if bone is not None), None)
    if end is None:
        along = skeleton.tails[start] - skeleton.heads[start]
        return Segment((start,), skeleton.heads[start], along)
    bones: list[int] = []
    bone = skeleton.parents[end]
    while bone != start:
        if bone < 0:
            raise MotionFileError(
                f"{name}: {skeleton.names[end]!r} does not hang on {skeleton.names[start]!r}, "
                f"which was taken for {key}",
                file=name,
                segment=key,
            )
        bones.append(bone)
        bone = skeleton.parents[bone]
    along = skeleton.heads[end] - skeleton.heads[start]
    return Segment((start, *bones[::-1]), skeleton.heads[start], along)
