"""One sequence: a person walks by, and both sensors look at the same moments."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames
from gait.decode.points.ground import without_ground
from gait.errors import ClipEmptyError
from gait.modality import SIZE
from gait.range_style import RangeStyle
from gait.range_view import project
from gait.silhouette import align
from train.simulate.bodies.body import RestBody, pose
from train.simulate.conditions import Clothes, Condition, dress
from train.simulate.movement.motion import Motion
from train.simulate.sensors.camera import photograph, segment, turned
from train.simulate.sensors.lidar import OWN, Floor, Raster, scan
from train.simulate.sensors.mask_faults import with_faults
from train.simulate.sensors.rig import Rig, RigAt, one_rig
from train.simulate.sensors.scene import (
    LIDAR_HEIGHT,
    Path,
    View,
    lay_path,
    lower,
    place,
    put_occluder,
)

Array = NDArray[np.float32]

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
        points: `s` clouds `(k, 3)` of the person, metres, −x ahead.
        measured: clouds of all frames as the LiDAR gives them, with what is seen of the ground.
    """

    silhouettes: Frames
    range_views: Frames
    points: list[NDArray[np.float64]]
    measured: list[NDArray[np.float64]]


_NO_MASKS, _NO_VIEWS = np.zeros((0, SIZE, SIZE), np.uint8), np.zeros((0, 3, SIZE, SIZE), np.uint8)


def observe(
    body: RestBody,
    motion: Motion,
    view: View,
    conditions: tuple[Condition, ...],
    distances: tuple[float, float],
    rng: np.random.Generator,
    rig_at: RigAt = one_rig,
    clothes: Clothes = Clothes.USUAL,
    wardrobe: np.random.Generator | None = None,
    style: RangeStyle = RangeStyle.BINS,
) -> Sighting:
    """Simulates one sequence.

    Args:
        body: the person, undressed.
        motion: the walk, at the rate of both sensors.
        view: from where.
        conditions: what differs from a plain walk.
        distances: nearest and farthest of the simulation, metres.
        rng: of this walk; clothes, path, sensors, occluder and noise come from it.
        rig_at: the sensors, by the walker's distance.
        clothes: how much they vary.
        wardrobe: where clothes come from that do not change from walk to walk; None: from `rng`.
        style: how range views are drawn.

    Returns:
        The frames that both sensors could use; possibly none.
    """
    body, motion = dress(body, motion, conditions, rng, clothes, wardrobe)
    path = lay_path(
        view,
        distances,
        speed=motion.speed,
        frames=len(motion.rotations),
        rate=motion.rate,
        rng=rng,
    )
    rig = rig_at(path.nearest, rng)
    fraction = float(np.clip((_DENSE / path.nearest) ** 2, 0.25, 1))
    points = place(pose(body.thin(fraction), motion), path)
    visible = None
    if Condition.OCCLUSION in conditions:
        visible = ~put_occluder(path, rng).hides(points)
        found = visible.mean(axis=1) >= _RECOGNISABLE
        points, visible = points[found], visible[found]
        path = replace(path, feet=path.feet[found])
    if not len(points):
        return Sighting(_NO_MASKS, _NO_VIEWS, [], [])
    measured = _scanned(points, visible, rig, path, rng)
    masks = _photographed(points, visible, rig)
    masks = segment(masks, rng, night=Condition.NIGHT in conditions, softness=rig.softness)
    clouds = measured if _plain(rig) else [_cleared(cloud) for cloud in measured]
    return _paired(with_faults(masks, rig.faults, rng), clouds, measured, style)


def _photographed(points: Array, visible: NDArray[np.bool_] | None, rig: Rig) -> Frames:
    points = lower(points, LIDAR_HEIGHT - rig.camera_height)
    if rig.turn is not None:
        points = turned(points, *rig.turn)
    return photograph(points, visible, rig.focal)


def _scanned(
    points: Array,
    visible: NDArray[np.bool_] | None,
    rig: Rig,
    path: Path,
    rng: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """The clouds of a sequence as the LiDAR gives them."""
    if _plain(rig):
        return scan(points, rng, visible)
    points = lower(points, LIDAR_HEIGHT - rig.lidar_height)
    raster = _around(rig, points)
    floor = Floor(rig.lidar_height, rig.ground, path.feet) if rig.ground else None
    return scan(points, rng, visible, raster, floor)


def _plain(rig: Rig) -> bool:
    return rig.raster is OWN and not rig.ground


def _cleared(cloud: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(without_ground(cloud), np.float64)


def _around(rig: Rig, points: Array) -> Raster:
    """The rows of the raster that may meet the walker, or the ground about the feet."""
    level = np.hypot(points[:, 0], points[:, 1])
    elevation = np.arctan2(points[:, 2], level)
    lowest, highest = float(elevation.min()), float(elevation.max())
    if rig.ground:
        nearest = max(0.5, float(level.min()) - rig.ground)
        lowest = min(lowest, -float(np.arctan2(rig.lidar_height, nearest)))
    return rig.raster.between(lowest, highest)


def _paired(
    masks: Frames,
    clouds: list[NDArray[np.float64]],
    measured: list[NDArray[np.float64]],
    style: RangeStyle,
) -> Sighting:
    """Aligns both modalities and keeps the frames that are usable in both."""
    try:
        camera, lidar = align(masks), project(clouds, style=style)
    except ClipEmptyError:
        return Sighting(_NO_MASKS, _NO_VIEWS, [], measured)
    both = np.intersect1d(camera.kept, lidar.kept)
    return Sighting(
        camera.frames[np.isin(camera.kept, both), 0],
        lidar.frames[np.isin(lidar.kept, both)],
        [clouds[frame] for frame in both],
        measured,
    )
