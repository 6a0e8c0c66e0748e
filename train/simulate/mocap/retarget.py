"""From the bones of a recording to the segments of a body: same directions, our axes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import MotionFileError
from train.simulate.mocap.anatomy import Segment, find_segments
from train.simulate.mocap.recording import Recording
from train.simulate.mocap.stance import LIMBS, make_stand, stands, trunk_line
from train.simulate.movement.motion import PARENTS, REFERENCE, SEGMENTS
from train.simulate.movement.rotation import align, nearest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """A recording as segment rotations; x, y on the ground, z up.

    Args:
        rate: frames a second, Hz.
        rotations: `(t, 21, 3, 3)` as in `Motion`, but with the heading still in it.
        root: `(t, 3)` metres.
        lengths: metres of the segments.
    """

    rate: float
    rotations: Array
    root: Array
    lengths: dict[str, float]


def retarget(recording: Recording) -> Track:
    """Turns of our 21 segments, from a recording's bones.

    `R = Wᵀ · G · A · F` with `G` the bone's turn from its rest pose (the mean of several bones'
    turns where a segment has several), `F` our axes as the rest pose stands, `W` our axes in the
    recorded world, and `A` the smallest rotation from the segment's direction in our reference
    stance to its direction at rest. So `R · reference direction` is the segment's direction in
    the frame, and the twist about it is the recorded one. Trunk, head and feet have `A = 1`
    (feet: the shank's): a rest pose has them upright and flat, whichever way their bones run. A
    file whose rest pose does not stand gets one that does (`stance.make_stand`).

    Raises:
        MotionFileError: the skeleton lacks a segment, or has its hips at one place.
    """
    segments = find_segments(recording.skeleton, recording.name)
    world = _world_axes(recording, segments)
    if np.linalg.norm(segments["thigh.L"].start - segments["thigh.R"].start) < 1e-9:
        raise MotionFileError(
            f"{recording.name}: left and right thigh start at the same place", file=recording.name
        )
    if not stands(segments):
        recording = make_stand(recording, segments, world)
        segments = find_segments(recording.skeleton, recording.name)
    rest = _rest_axes(segments)
    turns: list[Array] = []
    for index, key in enumerate(SEGMENTS):
        if key in segments:
            turn = nearest(recording.rotations[:, segments[key].bones].mean(axis=1))
            turns.append(world.T @ turn @ _to_rest(key, segments, rest) @ rest)
        else:
            turns.append(turns[PARENTS[index]])
    lengths = {key: float(np.linalg.norm(segment.along)) for key, segment in segments.items()}
    lengths = {key: length for key, length in lengths.items() if key != "pelvis" and length > 1e-9}
    root = recording.joints[:, segments["pelvis"].bones[0]] @ world
    return Track(recording.rate, np.stack(turns, axis=1), root, lengths)


def _to_rest(key: str, segments: dict[str, Segment], rest: Array) -> Array:
    part, dot, side = key.partition(".")
    if part in ("foot", "toes"):
        return _to_rest("shank" + dot + side, segments, rest)
    if part not in LIMBS:
        return np.eye(3)
    if part == "hand" and np.linalg.norm(segments[key].along) <= 1e-9:
        return _to_rest("forearm" + dot + side, segments, rest)
    return align(rest @ np.array(REFERENCE[part], dtype=np.float64), segments[key].along)


def _rest_axes(segments: dict[str, Segment]) -> Array:
    """`(3, 3)` columns: forward, left and up of the rest pose in the file's axes."""
    across = segments["thigh.L"].start - segments["thigh.R"].start
    up = _main_axis(trunk_line(segments))
    left = _main_axis(across - (across @ up) * up)
    return np.stack([np.cross(left, up), left, up], axis=1)


def _world_axes(recording: Recording, segments: dict[str, Segment]) -> Array:
    """`(3, 3)` columns: two level axes and up of the recorded world, in the file's axes.

    Up is the coordinate axis that the trunk keeps to; which level axis is forward does not
    matter, since the heading is taken out.
    """
    head, left, right = (
        recording.joints[:, segments[key].bones[0]] for key in ("head", "thigh.L", "thigh.R")
    )
    up = _main_axis((head - (left + right) / 2).mean(axis=0))
    forward = np.roll(np.abs(up), 1)
    return np.stack([forward, np.cross(up, forward), up], axis=1)


def _main_axis(direction: Array) -> Array:
    """The coordinate axis closest to a direction, with its sign."""
    axis = np.zeros(3)
    largest = int(np.argmax(np.abs(direction)))
    axis[largest] = np.sign(direction[largest])
    return axis
