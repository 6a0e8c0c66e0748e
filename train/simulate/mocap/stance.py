"""A rest pose that stands, for files whose own is none: it is read from the walk itself.

Programs that orient joints along their bones (LaFAN1, some of MotionBuilder's and Maya's files)
write a skeleton whose bones all point one way when every angle is zero.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.anatomy import Segment
from train.simulate.mocap.recording import Recording
from train.simulate.movement.rotation import about, align, nearest

Array = NDArray[np.float64]

DOWN = np.array([0.0, 0.0, -1.0])
LIMBS = ("upper_arm", "forearm", "hand", "thigh", "shank")

STANDING = 0.7
"""Least cosine between a leg at rest and straight down (45°)."""

PARALLEL = 0.9
"""Least cosine between trunk or hips at rest and a coordinate axis (25°)."""

STEEP = 0.87
"""Largest sine of a foot's slope at rest (60°)."""

RESTING = 0.15
"""Share of the frames in which a foot is slowest: it stands flat then."""


def stands(segments: dict[str, Segment]) -> bool:
    """Whether a rest pose is upright along the axes: trunk up, legs down, feet ahead and level."""
    across = segments["thigh.L"].start - segments["thigh.R"].start
    trunk, left = _unit(trunk_line(segments)), _unit(across)
    if max(abs(trunk)) < PARALLEL or max(abs(left)) < PARALLEL or abs(trunk @ left) > 0.5:
        return False
    for side in "LR":
        legs = [_unit(segments[f"{part}.{side}"].along) for part in ("thigh", "shank")]
        foot = _unit(segments[f"foot.{side}"].along)
        if min(-leg @ trunk for leg in legs) < STANDING:
            return False
        if foot.any() and (abs(foot @ trunk) > STEEP or foot @ np.cross(left, trunk) < 0):
            return False
    return True


def trunk_line(segments: dict[str, Segment]) -> Array:
    """From between the hips to the head at rest."""
    return segments["head"].start - (segments["thigh.L"].start + segments["thigh.R"].start) / 2


def make_stand(recording: Recording, segments: dict[str, Segment], world: Array) -> Recording:
    """The same recording from another rest pose: that of somebody who stands and faces +x.

    With `D` a bone's turn as seen from in front of the hips, the rest pose has each bone as `D` is
    on average: the trunk tilted so that its own line is upright, the limbs turned straight down by
    the shortest way, the feet as they are while they stand, and pointing ahead. What a person
    keeps throughout a walk that bones do not show (a head that always looks down) is lost.

    Args:
        recording: with any rest pose.
        segments: of its skeleton.
        world: `(3, 3)` columns: two level axes and up of the recorded world, in the file's axes.
    """
    places = recording.joints @ world
    first = {key: segment.bones[0] for key, segment in segments.items()}
    across = places[:, first["thigh.L"]] - places[:, first["thigh.R"]]
    facing = about("z", -np.arctan2(-across[:, 0], across[:, 1]))
    turns = facing[:, None] @ (world.T @ recording.rotations)
    stance = nearest(turns.mean(axis=0))
    _raise_trunk(stance, segments, first, places, facing)
    for key, segment in segments.items():
        part, _, side = key.partition(".")
        bones = list(segment.bones)
        if part in LIMBS and np.linalg.norm(segment.along) > 1e-9:
            lead = stance[bones[0]] @ segment.along
            stance[bones] = align(lead, DOWN) @ stance[bones]
        elif part in ("foot", "toes"):
            flat = _flat(places, first, side)
            stance[bones] = nearest(turns[flat][:, bones].mean(axis=0))
            stance[bones] = _ahead(
                stance[first[f"foot.{side}"]], segments[f"foot.{side}"], stance[bones]
            )
    return _from_rest(recording, stance)


def _raise_trunk(
    stance: Array,
    segments: dict[str, Segment],
    first: dict[str, int],
    places: Array,
    facing: Array,
) -> None:
    top = first.get("neck", first["head"])
    hips = (places[:, first["thigh.L"]] + places[:, first["thigh.R"]]) / 2
    line = (facing @ (places[:, top] - hips)[..., None]).mean(axis=0)[:, 0]
    for key in ("pelvis", "lumbar", "thorax", "neck", "clavicle.L", "clavicle.R"):
        if key in segments:
            bones = list(segments[key].bones)
            stance[bones] = align(line, -DOWN) @ stance[bones]


def _flat(places: Array, first: dict[str, int], side: str) -> NDArray[np.intp]:
    """The frames in which ankle and toes move least."""
    ends = [first[key] for key in (f"foot.{side}", f"toes.{side}") if key in first]
    pace = np.linalg.norm(np.gradient(places[:, ends], axis=0), axis=2).sum(axis=1)
    return np.argsort(pace)[: max(1, int(RESTING * len(pace)))]


def _ahead(ankle: Array, foot: Segment, bones: Array) -> Array:
    """`bones` turned about the vertical so that the foot points along +x."""
    x, y, _ = ankle @ foot.along
    return about("z", np.array(-np.arctan2(y, x))) @ bones if np.hypot(x, y) > 1e-9 else bones


def _from_rest(recording: Recording, stance: Array) -> Recording:
    old = recording.skeleton
    heads = np.zeros_like(old.heads)
    for bone, parent in enumerate(old.parents):
        if parent >= 0:
            heads[bone] = heads[parent] + stance[parent] @ (old.heads[bone] - old.heads[parent])
    tails = heads + np.einsum("bij,bj->bi", stance, old.tails - old.heads)
    return replace(
        recording,
        skeleton=replace(old, heads=heads, tails=tails),
        rotations=recording.rotations @ stance.transpose(0, 2, 1),
    )


def _unit(vector: Array) -> Array:
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-9 else np.zeros(3)
