"""ASF, AMC and BVH files of a walker made of straight lines, for tests of motion files.

The walker faces +z with its left at +x and y up, as in the CMU database; arms out to the sides at
rest. Legs and arms swing as sines, once a second.
"""

import math

BONES = {
    # name: (parent, direction, length, channels)
    "lhipjoint": ("root", (1, 0, 0), 1.5, ""),
    "lfemur": ("lhipjoint", (0, -1, 0), 7.5, "rx ry rz"),
    "ltibia": ("lfemur", (0, -1, 0), 7.0, "rx"),
    "lfoot": ("ltibia", (0, -0.6, 0.8), 2.0, "rx rz"),
    "ltoes": ("lfoot", (0, 0, 1), 1.0, "rx"),
    "rhipjoint": ("root", (-1, 0, 0), 1.5, ""),
    "rfemur": ("rhipjoint", (0, -1, 0), 7.5, "rx ry rz"),
    "rtibia": ("rfemur", (0, -1, 0), 7.0, "rx"),
    "rfoot": ("rtibia", (0, -0.6, 0.8), 2.0, "rx rz"),
    "rtoes": ("rfoot", (0, 0, 1), 1.0, "rx"),
    "lowerback": ("root", (0, 1, 0), 2.0, "rx ry rz"),
    "upperback": ("lowerback", (0, 1, 0), 2.0, "rx ry rz"),
    "thorax": ("upperback", (0, 1, 0), 2.0, "rx ry rz"),
    "lowerneck": ("thorax", (0, 1, 0), 1.5, "rx ry rz"),
    "head": ("lowerneck", (0, 1, 0), 3.0, "rx ry rz"),
    "lclavicle": ("thorax", (1, 0, 0), 3.0, "ry rz"),
    "lhumerus": ("lclavicle", (1, 0, 0), 5.0, "rx ry rz"),
    "lradius": ("lhumerus", (1, 0, 0), 4.5, "ry"),
    "lhand": ("lradius", (1, 0, 0), 1.0, "rx rz"),
    "rclavicle": ("thorax", (-1, 0, 0), 3.0, "ry rz"),
    "rhumerus": ("rclavicle", (-1, 0, 0), 5.0, "rx ry rz"),
    "rradius": ("rhumerus", (-1, 0, 0), 4.5, "ry"),
    "rhand": ("rradius", (-1, 0, 0), 1.0, "rx rz"),
}

HEADER = """# a walker
:version 1.10
:name test
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   any words :here
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
"""


def asf() -> str:
    """The skeleton: thighs of 7.5 units of 0.0254 / 0.45 m, and so on."""
    bones = "".join(_asf_bone(name, *bone[1:]) for name, bone in BONES.items())
    rows: dict[str, list[str]] = {}
    for name, (parent, *_) in BONES.items():
        rows.setdefault(parent, []).append(name)
    lines = "".join(f"    {parent} {' '.join(names)}\n" for parent, names in rows.items())
    return f"{HEADER}{bones}:hierarchy\n  begin\n{lines}  end\n"


def _asf_bone(name: str, direction: tuple[float, ...], length: float, channels: str) -> str:
    limits = "     limits (-160.0 20.0)\n            (-70.0 70.0)\n"
    dof = f"     dof {channels}\n{limits}" if channels else ""
    return (
        f"  begin\n     id 1\n     name {name}\n     direction {_row(direction)}\n"
        f"     length {length}\n     axis 0 0 0  XYZ\n{dof}  end\n"
    )


def amc(frames: int = 360, speed: float = 20.0, turn: float = 0.0) -> str:
    """A walk at 120 Hz.

    Args:
        frames: how many.
        speed: file units a second (20: 1.13 m/s).
        turn: degrees a second to the left.
    """
    text, x, z = ":FULLY-SPECIFIED\n:DEGREES\n", 0.0, 0.0
    for frame in range(frames):
        heading = math.radians(turn * frame / 120)
        swing = math.sin(2 * math.pi * frame / 120)
        text += f"{frame + 1}\nroot {x:.6f} 17 {z:.6f} 0 {math.degrees(heading):.6f} 0\n"
        x += speed / 120 * math.sin(heading)
        z += speed / 120 * math.cos(heading)
        for name, (_, _, _, channels) in BONES.items():
            values = [_angle(name, channel, swing) for channel in channels.split()]
            text += f"{name} {_row(values)}\n" if values else ""
    return text


def _angle(name: str, channel: str, swing: float) -> float:
    side = 1 if name[0] == "l" else -1
    if name[1:] == "femur" and channel == "rx":  # −: the thigh comes forward
        return -25 * side * swing
    if name[1:] == "tibia" and channel == "rx":  # +: the shank goes back
        return 30 - 20 * side * swing
    if name[1:] == "humerus" and channel == "rz":  # arms down to the sides
        return -80.0 * side
    if name[1:] == "humerus" and channel == "ry":  # each arm against its leg
        return 20 * swing
    return 0.0


BVH_NAMES = {
    "root": "Hips",
    "femur": "UpLeg",
    "tibia": "Leg",
    "foot": "Foot",
    "toes": "ToeBase",
    "lowerback": "Spine",
    "upperback": "Spine1",
    "thorax": "Spine2",
    "lowerneck": "Neck",
    "head": "Head",
    "clavicle": "Shoulder",
    "humerus": "Arm",
    "radius": "ForeArm",
    "hand": "Hand",
}


def bvh(frames: int = 90, unit: float = 0.01) -> str:
    """The same walk as `amc()` at 30 Hz with Mixamo's names, in `unit` metres, Z X Y order."""
    scale = 0.0254 / 0.45 / unit
    order = ["root"]
    text = "HIERARCHY\n" + _bvh_joint("root", (0, 0, 0), 0, scale, order)
    text += f"MOTION\nFrames: {frames}\nFrame Time: {1 / 30:.7f}\n"
    for frame in range(frames):
        swing = math.sin(2 * math.pi * frame / 30)
        row = [0.0, 17 * scale, frame / 30 * 20 * scale, 0.0, 0.0, 0.0]
        for name in order[1:]:
            row += [_angle(name, channel, swing) for channel in ("rz", "rx", "ry")]
        text += _row(row) + "\n"
    return text


def _bvh_joint(
    name: str, offset: tuple[float, ...], depth: int, scale: float, order: list[str]
) -> str:
    children = {child: bone for child, bone in BONES.items() if bone[0] == name}
    length = BONES[name][2] if name in BONES else 0.0
    direction = BONES[name][1] if name in BONES else (0, 0, 0)
    tip = tuple(length * scale * part for part in direction)
    position = "Xposition Yposition Zposition " if name == "root" else ""
    body = f"OFFSET {_row(offset)}\n"
    body += f"CHANNELS {6 if position else 3} {position}Zrotation Xrotation Yrotation\n"
    for child in children:
        order.append(child)
        body += _bvh_joint(child, tip, depth + 1, scale, order)
    if not children:
        body += f"End Site\n{{\nOFFSET {_row(tip)}\n}}\n"
    kind = "JOINT" if depth else "ROOT"
    return f"{kind} mixamorig:{_bvh_name(name)}\n{{\n{body}}}\n"


def _bvh_name(name: str) -> str:
    if name in BVH_NAMES:
        return BVH_NAMES[name]
    side = {"l": "Left", "r": "Right"}[name[0]]
    return side + BVH_NAMES.get(name[1:], name[1:].title())


def _row(values: tuple[float, ...] | list[float]) -> str:
    return " ".join(f"{value:.6f}" for value in values)
