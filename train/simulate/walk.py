"""One sequence: a person walks by, and both sensors look at the same moments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames
from gait.errors import ClipEmptyError
from gait.modality import SIZE
from gait.range_view import project
from gait.silhouette import align
from train.simulate.bodies.body import RestBody, pose
from train.simulate.conditions import Condition, dress
from train.simulate.movement.motion import RATE, Motion
from train.simulate.sensors.camera import photograph, segment
from train.simulate.sensors.lidar import scan
from train.simulate.sensors.scene import (
    CAMERA_BELOW,
    View,
    lay_path,
    lower,
    place,
    put_occluder,
)

_DENSE = 6.5
"""From this distance on, fewer surface points do as well, metres."""

_RECOGNISABLE = 0.4
"""A person of whom less is seen than this is not detected in that frame."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """What both sensors made of a walk, frame by frame.

    Args:
        silhouettes: uint8 `(s, 64, 64)`.
        range_views: uint8 `(s, 3, 64, 64)`.
        points: `s` clouds `(k, 3)`, metres, −x ahead.
    """

    silhouettes: Frames
    range_views: Frames
    points: list[NDArray[np.float64]]


_NOTHING = Sighting(np.zeros((0, SIZE, SIZE), np.uint8), np.zeros((0, 3, SIZE, SIZE), np.uint8), [])


def observe(
    body: RestBody,
    motion: Motion,
    view: View,
    conditions: tuple[Condition, ...],
    distances: tuple[float, float],
    rng: np.random.Generator,
) -> Sighting:
    """Simulates one sequence.

    Args:
        body: the person, undressed.
        motion: the walk, at `RATE`.
        view: from where.
        conditions: what differs from a plain walk.
        distances: nearest and farthest of the simulation, metres.
        rng: of this walk; clothes, path, occluder and noise come from it.

    Returns:
        The frames that both sensors could use; possibly none.
    """
    body, motion = dress(body, motion, conditions, rng)
    path = lay_path(
        view, distances, speed=motion.speed, frames=len(motion.rotations), rate=RATE, rng=rng
    )
    fraction = float(np.clip((_DENSE / path.nearest) ** 2, 0.25, 1))
    points = place(pose(body.thin(fraction), motion), path)
    visible = None
    if Condition.OCCLUSION in conditions:
        visible = ~put_occluder(path, rng).hides(points)
        found = visible.mean(axis=1) >= _RECOGNISABLE
        points, visible = points[found], visible[found]
    if not len(points):
        return _NOTHING
    clouds = scan(points, rng, visible)
    masks = photograph(lower(points, CAMERA_BELOW), visible)
    return _paired(segment(masks, rng, night=Condition.NIGHT in conditions), clouds)


def _paired(masks: Frames, clouds: list[NDArray[np.float64]]) -> Sighting:
    """Aligns both modalities and keeps the frames that are usable in both."""
    try:
        camera, lidar = align(masks), project(clouds)
    except ClipEmptyError:
        return _NOTHING
    both = np.intersect1d(camera.kept, lidar.kept)
    return Sighting(
        camera.frames[np.isin(camera.kept, both), 0],
        lidar.frames[np.isin(lidar.kept, both)],
        [clouds[frame] for frame in both],
    )
