"""One walk, written as BVH files of the kinds that people have, for tests of their reading."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from train.simulate.movement.motion import PARENTS, SEGMENTS, Motion
from train.simulate.movement.rotation import about, align

Array = NDArray[np.float64]

OFFSETS = {
    "pelvis": (0, 0, 0),
    "lumbar": (0, 0, 0.08),
    "thorax": (0, 0, 0.13),
    "neck": (0, 0, 0.25),
    "head": (0.01, 0, 0.09),
    "clavicle": (0, 0.03, 0.2),
    "upper_arm": (0, 0.15, 0),
    "forearm": (0, 0, -0.29),
    "hand": (0, 0, -0.25),
    "thigh": (0, 0.09, -0.04),
    "shank": (0, 0, -0.43),
    "foot": (0, 0, -0.41),
    "toes": (0.14, 0, -0.06),
}
"""Metres from the parent's joint in the reference stance, of the left side."""

TIPS = {"head": (0, 0, 0.2), "hand": (0, 0, -0.1), "toes": (0.06, 0, 0)}

Y_UP = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
Z_UP = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
"""From our axes (forward, left, up) to the file's."""

HEIGHT = 0.96
"""Of the pelvis above the ground, metres."""


@dataclass(frozen=True)
class Style:
    """A kind of file.

    Args:
        names: of the joints of each segment, in the order of `SEGMENTS` without sides; several
            joined by `+` turn together; `-` where the kind has none. `{}` is the side.
        sides: words for left and right.
        above: joints above the pelvis.
        hips: joints between pelvis and thighs that do not move.
        axes: the file's axes.
        unit: metres.
        order: of the rotations, the last applied first.
        rest: `T` arms out, `along` every bone along its joint's x axis.
        positions: offsets are 0, every joint has its place in the channels.
        tips: whether End Sites have an extent.
    """

    names: str
    sides: tuple[str, str] = ("Left", "Right")
    above: tuple[str, ...] = ()
    hips: str = ""
    axes: Array = field(default_factory=lambda: Y_UP)
    unit: float = 0.01
    order: str = "ZXY"
    rest: str = "T"
    positions: bool = False
    tips: bool = True


_HUMAN = "{}Shoulder {}Arm {}ForeArm {}Hand {}UpLeg {}Leg {}Foot {}"
STYLES = {
    "cmu motionbuilder": Style(
        f"Hips LowerBack+Spine Spine1 Neck+Neck1 Head {_HUMAN}ToeBase",
        hips="{}HipJoint",
        unit=0.0254 / 0.45,
        order="ZYX",
    ),
    "cmu asf names": Style(
        "hip lowerback+upperback thorax lowerneck+upperneck head {}clavicle {}humerus {}radius "
        "{}hand {}femur {}tibia {}foot {}toes",
        sides=("l", "r"),
        hips="{}hipjoint",
        unit=0.0254 / 0.45,
        order="XYZ",
    ),
    "cmu daz": Style(
        "hip abdomen chest neck head {}Collar {}Shldr {}ForeArm {}Hand {}Thigh {}Shin {}Foot -",
        sides=("l", "r"),
        hips="{}Buttock",
        unit=0.0254,
        order="YXZ",
        tips=False,
    ),
    "bandai": Style(
        "Hips Spine Chest Neck Head Shoulder{} UpperArm{} LowerArm{} Hand{} UpperLeg{} LowerLeg{} "
        "Foot{} Toes{}",
        sides=("_L", "_R"),
        above=("joint_Root",),
        positions=True,
        tips=False,
    ),
    "lafan1": Style(
        f"Hips Spine+Spine1 Spine2 Neck Head {_HUMAN}Toe", order="ZYX", rest="along", tips=False
    ),
    "mixamo": Style(
        f"Hips Spine+Spine1 Spine2 Neck Head {_HUMAN}ToeBase".replace(" ", " mixamorig:")
        .replace("+", "+mixamorig:")
        .replace("Hips", "mixamorig:Hips")
    ),
    "motionbuilder": Style(
        f"Hips Spine+Spine1 Spine2 Neck Head {_HUMAN}ToeBase".replace(" ", " Character1_")
        .replace("+", "+Character1_")
        .replace("Hips", "Character1_Hips"),
        above=("Character1_Reference",),
        order="XYZ",
        positions=True,
        rest="along",
    ),
    "3ds max": Style(
        "Bip01_Pelvis Bip01_Spine Bip01_Spine1 Bip01_Neck Bip01_Head Bip01_{}_Clavicle "
        "Bip01_{}_UpperArm Bip01_{}_Forearm Bip01_{}_Hand Bip01_{}_Thigh Bip01_{}_Calf "
        "Bip01_{}_Foot Bip01_{}_Toe0",
        sides=("L", "R"),
        above=("Bip01",),
        axes=Z_UP,
        unit=1.0,
    ),
    "xsens": Style(
        "Hips Chest+Chest2+Chest3 Chest4 Neck Head {}Collar {}Shoulder {}Elbow {}Wrist {}Hip "
        "{}Knee {}Ankle {}Toe",
        unit=0.001,
        order="YXZ",
    ),
}


@dataclass
class _Bone:
    name: str
    parent: int
    segment: int
    offset: Array
    tip: Array | None = None


def write_bvh(motion: Motion, style: Style) -> str:
    """A walk in a style, at the motion's rate; it goes along the file's forward axis."""
    bones = _bones(style)
    rest = np.stack([_rest(bone, bones, style) for bone in bones])
    segments = np.array([bone.segment for bone in bones])
    world = style.axes @ motion.rotations[:, segments] @ style.axes.T @ rest
    steps = np.stack([style.axes @ bone.offset for bone in bones]) / style.unit
    for index, bone in enumerate(bones):
        steps[index] = rest[bone.parent].T @ steps[index] if bone.parent >= 0 else 0
    root = motion.pelvis + np.array([0, 0, HEIGHT])
    root[:, 0] += np.arange(len(root)) * motion.speed / motion.rate
    root = root @ style.axes.T / style.unit
    columns: list[Array] = []
    for index, bone in enumerate(bones):
        local = world[:, index]
        moves = np.tile(steps[index], (len(root), 1))
        if bone.parent >= 0:
            local = world[:, bone.parent].transpose(0, 2, 1) @ local
        if index < len(style.above):
            local = np.tile(np.eye(3), (len(root), 1, 1))
        if index == len(style.above):
            moves = root
            local = world[:, index]
        angles = _angles(local, style.order)
        columns += [moves, angles] if _has_positions(index, style) else [angles]
    text = "HIERARCHY\n" + _joint(0, bones, steps, rest, style)
    text += f"MOTION\nFrames: {len(root)}\nFrame Time: {1 / motion.rate:.8f}\n"
    return text + "".join(
        " ".join(f"{value:.6f}" for value in row) + "\n" for row in np.concatenate(columns, axis=1)
    )


def _angles(turns: Array, order: str) -> Array:
    """Degrees `(t, 3)` with `R = R_a R_b R_c` for the order `abc`."""
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1 if (j - i) % 3 == 1 else -1
    first = np.arctan2(-sign * turns[:, j, k], turns[:, k, k])
    second = np.arcsin(np.clip(sign * turns[:, i, k], -1, 1))
    third = np.arctan2(-sign * turns[:, i, j], turns[:, i, i])
    return np.asarray(np.degrees(np.stack([first, second, third], axis=1)))


def _has_positions(index: int, style: Style) -> bool:
    return style.positions or index in (0, len(style.above))


def _bones(style: Style) -> list[_Bone]:
    kinds = list(dict.fromkeys(name.partition(".")[0] for name in SEGMENTS))
    names = dict(zip(kinds, style.names.split(), strict=True))
    bones = [_Bone(name, at - 1, 0, np.zeros(3)) for at, name in enumerate(style.above)]
    last: dict[int, int] = {-1: len(bones) - 1}
    for index, key in enumerate(SEGMENTS):
        kind, _, side = key.partition(".")
        if names[kind] == "-":
            continue
        mirror = np.array([1, -1 if side == "R" else 1, 1])
        word = style.sides["LR".index(side)] if side else ""
        parent, offset = last[PARENTS[index]], np.array(OFFSETS[kind]) * mirror
        if kind == "thigh" and style.hips:
            bones.append(_Bone(style.hips.format(word), parent, 0, np.zeros(3)))
            parent = len(bones) - 1
        for name in names[kind].split("+"):
            bones.append(_Bone(name.format(word), parent, index, offset))
            parent, offset = len(bones) - 1, np.zeros(3)
        last[index] = parent
        if kind in TIPS:
            bones[parent].tip = np.array(TIPS[kind]) * mirror * style.tips
    for index, bone in enumerate(bones):
        if bone.tip is None and all(other.parent != index for other in bones):
            bone.tip = np.zeros(3)
    return bones


def _rest(bone: _Bone, bones: list[_Bone], style: Style) -> Array:
    """The joint's own axes in the reference stance, in the file's axes."""
    name = SEGMENTS[bone.segment]
    if style.rest == "along":
        way = bone.tip
        if way is None:
            way = next(other.offset for other in bones if other.parent == bones.index(bone))
        if not np.any(way):
            way = np.array([0, 0, -1.0 if "." in name else 1.0])
        return align(np.array([1.0, 0, 0]), style.axes @ way) @ about("x", np.array(0.6))
    arm = name.partition(".")[0] in ("upper_arm", "forearm", "hand")
    out = about("x", np.array(np.pi / 2 * (1 if name.endswith("L") else -1))) if arm else np.eye(3)
    return np.asarray(style.axes @ out.T @ style.axes.T)


def _joint(index: int, bones: list[_Bone], steps: Array, rest: Array, style: Style) -> str:
    bone = bones[index]
    positions = "Xposition Yposition Zposition " if _has_positions(index, style) else ""
    turns = " ".join(f"{axis}rotation" for axis in style.order)
    offset = np.zeros(3) if style.positions else steps[index]
    body = f"OFFSET {_row(offset)}\nCHANNELS {6 if positions else 3} {positions}{turns}\n"
    children = [at for at, other in enumerate(bones) if other.parent == index]
    body += "".join(_joint(child, bones, steps, rest, style) for child in children)
    if not children:
        assert bone.tip is not None
        body += (
            f"End Site\n{{\nOFFSET {_row(rest[index].T @ style.axes @ bone.tip / style.unit)}\n}}\n"
        )
    kind = "ROOT" if bone.parent < 0 else "JOINT"
    return f"{kind} {bone.name}\n{{\n{body}}}\n"


def _row(values: Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)
