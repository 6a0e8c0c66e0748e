"""Stick figures of tubes with the parameters of the real bodies: no build, for quick tests.

Proportions: R. Drillis and R. Contini (1966), as fractions of stature.
"""

import numpy as np
from numpy.typing import NDArray

from train.simulate.bodies.basis import VARIATIONS, BodyBasis
from train.simulate.movement.motion import SEGMENTS

Array = NDArray[np.float32]

_POINTS = 4000
_MAX_WEIGHT, _MAX_HEIGHT = 15, 17
"""Which of the phenotype variations these figures know."""
_CHANGES = ("legs", "arms", "shoulders")

_TUBES = {
    "pelvis": (0.075, 0.10),
    "lumbar": (0.070, 0.09),
    "thorax": (0.070, 0.10),
    "neck": (0.032, 0.032),
    "head": (0.055, 0.045),
    "clavicle": (0.030, 0.030),
    "upper_arm": (0.026, 0.026),
    "forearm": (0.022, 0.022),
    "hand": (0.024, 0.014),
    "thigh": (0.045, 0.045),
    "shank": (0.032, 0.032),
    "foot": (0.022, 0.026),
    "toes": (0.014, 0.026),
}
"""Half depth and half width of each segment, as fractions of stature."""


def capsule_basis() -> BodyBasis:
    """The figures as a linear basis: stature, girth, and lengths of legs, arms and shoulders."""
    points, joints, normals, owner = _figure()
    figures = [_figure(stature=2.44), _figure(girth=2.2)]
    for name in _CHANGES:
        figures += [_figure(**{name: 1.25}), _figure(**{name: 0.75})]
    mask = np.zeros((2, VARIATIONS), np.float32)
    mask[0, _MAX_HEIGHT] = mask[1, _MAX_WEIGHT] = 1
    return BodyBasis(
        points=points,
        normals=normals,
        weights=np.eye(len(SEGMENTS), dtype=np.float32)[owner],
        joints=joints,
        components=np.stack([figure[0] - points for figure in figures]),
        joint_components=np.stack([figure[1] - joints for figure in figures]),
        mask=mask,
        projection=np.eye(2, dtype=np.float32),
        local_changes=np.array(_CHANGES),
    )


def _figure(
    stature: float = 1.35,
    girth: float = 1.0,
    legs: float = 1.0,
    arms: float = 1.0,
    shoulders: float = 1.0,
) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Points, joints, normals, and the segment of each point."""
    ends = _ends(legs, arms, shoulders)
    rng = np.random.default_rng(0)
    owner = rng.integers(len(SEGMENTS), size=_POINTS)
    along, turn = rng.random((_POINTS, 1)), 2 * np.pi * rng.random(_POINTS)
    start, end = ends[owner, 0], ends[owner, 1]
    radii = np.array([_TUBES[SEGMENTS[k].partition(".")[0]] for k in owner])
    axis = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    upright = np.abs(axis[:, 2:]) > 0.5
    first = np.where(upright, [[1.0, 0, 0]], [[0, 0, 1.0]])
    second = np.cross(axis, first)
    out = first * (radii[:, :1] * np.cos(turn)[:, None])
    out += second * (radii[:, 1:] * np.sin(turn)[:, None])
    points = stature * (start + along * (end - start) + girth * out)
    normals = out / np.linalg.norm(out, axis=1, keepdims=True)
    hands = ends[[SEGMENTS.index("hand.L"), SEGMENTS.index("hand.R")], 1]
    joints = stature * np.concatenate([ends[:, 0], hands])
    return (
        points.astype(np.float32),
        joints.astype(np.float32),
        normals.astype(np.float32),
        owner,
    )


def _ends(legs: float, arms: float, shoulders: float) -> NDArray[np.float64]:
    """`(21, 2, 3)` where each segment begins and ends, as fractions of stature."""
    hip = 0.039 + 0.491 * legs
    shoulder, wide = hip + 0.288, 0.129 * shoulders
    elbow, wrist = shoulder - 0.186 * arms, shoulder - 0.332 * arms
    knee = 0.039 + 0.246 * legs
    lines = {
        "pelvis": ((0, 0, hip), (0, 0, hip + 0.07)),
        "lumbar": ((0, 0, hip + 0.07), (0, 0, hip + 0.14)),
        "thorax": ((0, 0, hip + 0.14), (0, 0, shoulder)),
        "neck": ((0, 0, shoulder), (0, 0, shoulder + 0.052)),
        "head": ((0, 0, shoulder + 0.052), (0, 0, shoulder + 0.182)),
        "clavicle": ((0, 0.03, shoulder), (0, wide, shoulder)),
        "upper_arm": ((0, wide, shoulder), (0, wide, elbow)),
        "forearm": ((0, wide, elbow), (0, wide, wrist)),
        "hand": ((0, wide, wrist), (0, wide, wrist - 0.108)),
        "thigh": ((0, 0.05, hip), (0, 0.05, knee)),
        "shank": ((0, 0.05, knee), (0, 0.05, 0.039)),
        "foot": ((0, 0.05, 0.022), (0.085, 0.05, 0.02)),
        "toes": ((0.085, 0.05, 0.016), (0.122, 0.05, 0.014)),
    }
    ends = np.zeros((len(SEGMENTS), 2, 3))
    for index, name in enumerate(SEGMENTS):
        kind, _, side = name.partition(".")
        ends[index] = lines[kind]
        ends[index, :, 1] *= -1 if side == "R" else 1
    return ends
