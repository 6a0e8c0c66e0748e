"""A person at rest, and the same person moving: linear blend skinning of surface points."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from train.simulate.movement.motion import PARENTS, REFERENCE, SEGMENTS, Motion
from train.simulate.movement.rotation import align

Array = NDArray[np.float32]

HANGING = ("hanging.L", "hanging.R")
"""Frames that sit at the hands but stay upright: what is carried in a hand hangs or stands."""
FRAMES = SEGMENTS + HANGING
FRAME_PARENTS = (*PARENTS, SEGMENTS.index("hand.L"), SEGMENTS.index("hand.R"))
_TRUNK = ("pelvis", "lumbar", "thorax", "neck", "head", "clavicle.L", "clavicle.R")
_CHILDREN = {
    "upper_arm": "forearm",
    "forearm": "hand",
    "thigh": "shank",
    "shank": "foot",
    "foot": "toes",
}


@dataclass(frozen=True, eq=False)
class RestBody:
    """Surface points of one person in the modelling stance, bound to segments.

    Axes: x forward, y to the subject's left, z up; metres. The stance needs not be the
    reference one of `Motion`: `align` says how each segment turns to get there.

    Args:
        points: `(v, 3)`.
        normals: `(v, 3)` outward.
        weights: `(v, 23)` share of each frame of `FRAMES`, rows summing to 1.
        heads: `(23, 3)` joint at which each frame turns.
        align: `(23, 3, 3)` from the modelling stance to the reference stance, with any
            stretch along the segment.
        rank: `(v,)` in 0..1: the points with rank below r are spread as evenly as all.
    """

    points: Array
    normals: Array
    weights: Array
    heads: Array
    align: Array
    rank: Array

    def thin(self, fraction: float) -> "RestBody":
        """Keeps an evenly spread `fraction` of the points."""
        keep = self.rank < fraction
        return replace(
            self,
            points=self.points[keep],
            normals=self.normals[keep],
            weights=self.weights[keep],
            rank=self.rank[keep],
        )

    def attach(self, offsets: Array, frame: str) -> "RestBody":
        """Adds rigid points to one frame.

        Args:
            offsets: `(k, 3)` from the frame's joint, metres, in the reference stance, in an
                order whose every prefix is spread evenly.
            frame: a name of `FRAMES`.
        """
        index = FRAMES.index(frame)
        points = self.heads[index] + offsets @ np.linalg.inv(self.align[index]).T
        weights = np.zeros((len(offsets), len(FRAMES)), np.float32)
        weights[:, index] = 1
        return self.add(points.astype(np.float32), weights)

    def add(self, points: Array, weights: Array) -> "RestBody":
        """Adds points `(k, 3)` of the modelling stance with their own `weights` `(k, 23)`."""
        count = len(points)
        return replace(
            self,
            points=np.concatenate([self.points, points]),
            normals=np.concatenate([self.normals, np.zeros((count, 3), np.float32)]),
            weights=np.concatenate([self.weights, weights]),
            rank=np.concatenate([self.rank, np.arange(count, dtype=np.float32) / count]),
        )

    @property
    def leg_length(self) -> float:
        """Hip to ankle, metres."""
        hip, ankle = (SEGMENTS.index(name) for name in ("thigh.L", "foot.L"))
        return float(np.linalg.norm(self.heads[hip] - self.heads[ankle]))


def rest_body(
    points: Array, normals: Array, weights: Array, heads: Array, hands: Array
) -> RestBody:
    """Makes a `RestBody` of surface points bound to the 21 segments.

    Args:
        points: `(v, 3)` metres, evenly spread in every prefix.
        normals: `(v, 3)`.
        weights: `(v, 21)`.
        heads: `(21, 3)` joints.
        hands: `(2, 3)` where the left and right fingers begin.
    """
    align = np.zeros((len(FRAMES), 3, 3), np.float32)
    align[:] = np.eye(3)
    for index, name in enumerate(SEGMENTS):
        if name not in _TRUNK:
            align[index] = _alignment(name, heads, hands)
    joints = np.concatenate([heads, heads[[SEGMENTS.index("hand.L"), SEGMENTS.index("hand.R")]]])
    padded = np.zeros((len(points), len(FRAMES)), np.float32)
    padded[:, : len(SEGMENTS)] = weights / weights.sum(axis=1, keepdims=True)
    rank = np.asarray(np.arange(len(points)) / len(points), np.float32)
    return RestBody(points, normals, padded, joints.astype(np.float32), align, rank)


def stretch(body: RestBody, lengths: dict[str, float]) -> RestBody:
    """Gives limb segments the lengths that a motion's source measured.

    Args:
        body: the person.
        lengths: metres by segment name; segments without a limb's length are left as they are.
    """
    align = body.align.copy()
    for name, own in limb_lengths(body).items():
        if name in lengths:
            index = SEGMENTS.index(name)
            along = np.array(REFERENCE[name.partition(".")[0]], np.float32)
            longer = (lengths[name] / own - 1) * np.outer(along, along)
            align[index] = (np.eye(3, dtype=np.float32) + longer) @ align[index]
    return replace(body, align=align)


def limb_lengths(body: RestBody) -> dict[str, float]:
    """Metres from joint to joint of upper arms, forearms, thighs and shanks, before stretching."""
    return {
        f"{kind}.{side}": float(
            np.linalg.norm(
                body.heads[SEGMENTS.index(f"{child}.{side}")]
                - body.heads[SEGMENTS.index(f"{kind}.{side}")]
            )
        )
        for kind, child in _CHILDREN.items()
        if kind != "foot"
        for side in "LR"
    }


def joints(body: RestBody, motion: Motion) -> Array:
    """Where the frames' joints are, `(t, 23, 3)` metres, pelvis at `motion.pelvis`."""
    turns = _turns(body, motion)
    heads = np.empty((*turns.shape[:2], 3), np.float32)
    heads[:, 0] = motion.pelvis
    for index, parent in enumerate(FRAME_PARENTS):
        if parent >= 0:
            offset = body.heads[index] - body.heads[parent]
            heads[:, index] = heads[:, parent] + turns[:, parent] @ offset
    return heads


def pose(body: RestBody, motion: Motion) -> Array:
    """Moves a body: `x(t) = Σ_f w_f (R_f(t) (x − h_f) + H_f(t))`, lowest foot point on z = 0.

    Returns:
        `(t, 3, v)` float32 metres: planes of x, y and z, which is the order in which the
        sensors work on them.
    """
    turns = _turns(body, motion)
    heads = joints(body, motion)
    shift = heads - np.einsum("tfij,fj->tfi", turns, body.heads)
    moves = np.concatenate([turns, shift[..., None]], axis=3)  # (t, f, 3, 4)
    rows = moves.transpose(0, 2, 1, 3).reshape(len(turns) * 3, -1)
    bound = np.concatenate([body.points.T, np.ones((1, len(body.points)), np.float32)])
    columns = (body.weights.T[:, None] * bound[None]).reshape(-1, len(body.points))
    posed = (rows.astype(np.float32) @ columns).reshape(len(turns), 3, -1)
    posed[:, 2] -= posed[:, 2][:, _feet(body)].min(axis=1, keepdims=True)
    return np.asarray(posed, np.float32)


def _feet(body: RestBody) -> NDArray[np.intp]:
    feet = [index for index, name in enumerate(SEGMENTS) if name.startswith(("foot", "toes"))]
    return np.flatnonzero(body.weights[:, feet].sum(axis=1) > 0.5)


def _turns(body: RestBody, motion: Motion) -> Array:
    upright = np.broadcast_to(np.eye(3), (len(motion.rotations), len(HANGING), 3, 3))
    rotations = np.concatenate([motion.rotations, upright], axis=1).astype(np.float32)
    return np.asarray(rotations @ body.align, np.float32)


def _alignment(name: str, heads: Array, hands: Array) -> Array:
    kind, _, side = name.partition(".")
    if kind == "toes":
        return _alignment(f"foot.{side}", heads, hands)
    start = heads[SEGMENTS.index(name)]
    if kind == "hand":
        end = hands["LR".index(side)]
    else:
        end = heads[SEGMENTS.index(f"{_CHILDREN[kind]}.{side}")]
    direction = np.asarray(end - start, np.float64)
    if kind == "foot":  # the sole is flat already: only its heading is turned forward
        direction[2] = 0
    return align(direction, np.array(REFERENCE[kind], np.float64)).astype(np.float32)
