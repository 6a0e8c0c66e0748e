"""Which bones of a recorded skeleton are which segments of ours, by their names."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import MotionFileError
from train.simulate.mocap.recording import Skeleton

Array = NDArray[np.float64]

NAMES: dict[str, tuple[str, ...]] = {
    "pelvis": ("hips", "pelvis", "root", "hip"),
    "head": ("head",),
    "neck": ("lowerneck", "neck", "neck0", "neck1"),
    "thorax": ("thorax", "upperchest", "spine3", "spine2", "chest", "spine1", "spine"),
    "lumbar": ("lowerback", "abdomen", "spine", "spine0", "spine1", "torso", "waist"),
    "upper_arm": ("upperarm", "uparm", "arm", "humerus", "shoulder"),
    "clavicle": ("clavicle", "collar", "collarbone", "shoulder"),
    "forearm": ("forearm", "lowerarm", "loarm", "radius", "elbow"),
    "hand": ("hand", "wrist"),
    "thigh": ("upleg", "upperleg", "thigh", "femur", "hip"),
    "shank": ("leg", "lowerleg", "loleg", "shin", "calf", "shank", "tibia", "knee"),
    "foot": ("foot", "ankle"),
    "toes": ("toebase", "toes", "toe", "ball"),
}
"""Names of each segment's bone, the preferred first, without side, prefix and punctuation.

They cover the CMU database's ASF files and their BVH conversions, Mixamo, Unreal and Unity rigs
and the older hip, knee, ankle names. A bone serves one segment, the first in this order: a
`shoulder` is an upper arm unless another bone is called arm.
"""

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

PAIRED = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shank", "foot", "toes")
SIDES = {"": ("",), "L": ("left", "l"), "R": ("right", "r")}

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "CMU": 0.0254 / 0.45}
"""Metres of the units seen in BVH files."""

LEG = (0.55, 1.15)
"""Thigh and shank of an adult together, metres; the range tells the units above apart."""


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
        Segments by name (`thigh.L`); optional ones that the skeleton lacks, or has without an
        extent, are left out.

    Raises:
        MotionFileError: a segment that is not optional has no bone, no length, or hangs elsewhere.
    """
    joints: dict[str, int] = {}
    for part in NAMES:
        for side in ("L", "R") if part in PAIRED else ("",):
            key = f"{part}.{side}" if side else part
            bone = _joint(skeleton, part, side, taken=set(joints.values()))
            if bone is not None:
                joints[key] = bone
            elif part not in OPTIONAL:
                raise MotionFileError(
                    f"{name}: no bone for {key}; want one called "
                    f"{' or '.join(_forms(part, side))} (case, prefix and punctuation do not "
                    f"matter), got {', '.join(skeleton.names)}",
                    file=name,
                    segment=key,
                )
    segments = {key: _segment(skeleton, key, joints, name) for key in joints}
    return {key: segment for key, segment in segments.items() if _extends(key, segment, name)}


def guess_unit(segments: dict[str, Segment], name: str) -> float:
    """Metres of a file's unit: the one of `UNITS` in which the legs are an adult's.

    Raises:
        MotionFileError: none fits.
    """
    parts = ("thigh.L", "shank.L", "thigh.R", "shank.R")
    leg = float(sum(np.linalg.norm(segments[part].along) for part in parts)) / 2
    fitting = [metres for metres in UNITS.values() if LEG[0] <= leg * metres <= LEG[1]]
    if len(fitting) != 1:
        raise MotionFileError(
            f"{name}: legs of {leg:.4g} units are not an adult's in any of {', '.join(UNITS)}; "
            "say how many metres a unit has",
            file=name,
        )
    return fitting[0]


def _joint(skeleton: Skeleton, part: str, side: str, taken: set[int]) -> int | None:
    plain = [_plain(name) for name in skeleton.names]
    for form in _forms(part, side):
        if form in plain and plain.index(form) not in taken:
            return plain.index(form)
    return None


def _extends(key: str, segment: Segment, name: str) -> bool:
    part = key.partition(".")[0]
    if part == "pelvis" or np.linalg.norm(segment.along) > 1e-9:
        return True
    if part in OPTIONAL:
        return False
    raise MotionFileError(f"{name}: {key} has no length", file=name, segment=key)


def _forms(part: str, side: str) -> list[str]:
    if not side:
        return list(NAMES[part])
    both = [(word + alias, alias + word) for alias in NAMES[part] for word in SIDES[side]]
    return [form for pair in both for form in pair]


def _plain(name: str) -> str:
    """`mixamorig:LeftUpLeg` → `leftupleg`, `spine_01` → `spine1`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower().rpartition(":")[2].replace("mixamorig", ""))
    return re.sub(r"(?<!\d)0+(?=\d)", "", letters)


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
