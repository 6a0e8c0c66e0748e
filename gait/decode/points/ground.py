"""The floor around a walking person's feet, taken away from the points of a frame."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.points.cloud import Cloud
from gait.sampling import evenly

_SLAB = 0.1
"""Metres: points this little above the lowest are feet, or floor."""

_ANKLES = 0.45
"""Metres: points between the slab and this height say where the feet are."""

_CELL = 0.15
"""Metres: side of the cells of a grid on the floor."""

_THINNEST, _NOISE = 0.015, 3.0
"""Metres that the floor is thick at least, and median deviations of its height that it is."""

_WIDER = 0.5
"""Metres that the slab must reach beyond the rest of the person to be a floor."""

_MOST_WITHOUT = 0.02
"""Part of the points that may lie under the floor: noise."""

_ENOUGH = 10
"""Points of the slab, and of the person, from which on there may be a floor."""

_TOE = 0.25
"""Metres from the nearest ankle: no foot reaches further."""

_BARE = 0.08
"""Part of the slab that must lie further from any ankle than a foot reaches to be a floor; of
walkers without one it is under 0.02."""

_MOST_CELLS = 1_000
"""Cells of side `_SLAB` that ankles cover at most: more are no person's."""

_MOST_POINTS = 4_000
"""Points of a frame that are enough to find how the floor slopes."""

_ANKLE = 3
"""Points about the ankles from which on it is known where feet may be."""

_MIDDLE, _FLAT = (0.25, 0.75), 0.06
"""Half of a floor's points lie within so many metres of height."""

_STEEPEST = 0.27
"""Rise per metre of the steepest floor: 15°."""

_ON_PLANE, _UNDER_PLANE = 0.04, 0.1
"""Metres from a plane within which a cell lies on it, and from which on it lies under it."""

_FRAMES = 16
"""Frames that are enough to find how the floor slopes."""

_TRIED = 200
"""Planes through three cells that are tried."""

_CELLS, _BROAD = 20, 0.22
"""Cells that a floor covers at least, and their standard deviation, metres, where it is smallest:
without both, no slope can be told."""

Slope = tuple[float, float]
"""Rise per metre along x and along y."""

LEVEL: Slope = (0.0, 0.0)


def without_ground(cloud: Cloud, slope: Slope = LEVEL) -> Cloud:
    """The cloud without its floor; the cloud itself where there is none.

    A floor is a slab of the lowest points that reaches half a metre further than all that stands on
    it. Of the slab only what lies above the floor's own height, under the ankles, is kept: feet.

    Args:
        cloud: `(k, 3)` metres, z up.
        slope: of the floor.
    """
    heights, slab, person = _split(cloud, slope)
    if person.sum() < _ENOUGH or slab.sum() < _ENOUGH:
        return cloud
    low, high = cloud[person, :2].min(axis=0), cloud[person, :2].max(axis=0)
    beyond = np.maximum(low - cloud[slab, :2].min(axis=0), cloud[slab, :2].max(axis=0) - high)
    if beyond.max() < _WIDER:
        return cloud
    inside = ((cloud[:, :2] >= low) & (cloud[:, :2] <= high)).all(axis=1)
    return _cut(cloud, heights, slab, heights[slab & ~inside])


def without_patch(clouds: Sequence[Cloud], slope: Slope = LEVEL) -> list[Cloud]:
    """A clip's clouds without a floor that reaches hardly further than the person, as in boxes cut
    out around somebody; the clouds themselves where there is none.

    Such a floor is a flat slab of which much lies where no foot can be: too far from any ankle.
    Frames are judged together, since a floor is in all of them, or in none.

    Args:
        clouds: `(k, 3)` metres of each frame, z up.
        slope: of the floor.
    """
    frames = [_split(cloud, slope) for cloud in clouds]
    bare = [_bare(cloud, *parts) for cloud, parts in zip(clouds, frames, strict=True)]
    floor = np.concatenate(bare)
    slabs = sum(int(slab.sum()) for _, slab, _ in frames)
    if len(floor) < max(_ENOUGH, _BARE * slabs) or np.ptp(np.quantile(floor, _MIDDLE)) > _FLAT:
        return list(clouds)
    return [
        _cut(cloud, heights, slab, _low(heights) + floor) if slab.any() else cloud
        for cloud, (heights, slab, _) in zip(clouds, frames, strict=True)
    ]


def _bare(
    cloud: Cloud,
    heights: NDArray[np.floating[Any]],
    slab: NDArray[np.bool_],
    person: NDArray[np.bool_],
) -> NDArray[np.floating[Any]]:
    """Heights over the lowest of those points of the slab that no foot reaches."""
    if not slab.any():
        return np.zeros(0)
    low = _low(heights)
    ankles = cloud[person & (heights < low + _ANKLES), :2]
    if len(ankles) < _ANKLE:
        return np.zeros(0)
    own = np.unique(_cells(ankles, _SLAB))
    if len(own) > _MOST_CELLS:
        return np.zeros(0)
    return heights[slab & ~np.isin(_cells(cloud[:, :2], _SLAB), _around(own))] - low


def slope_of(clouds: Sequence[Cloud]) -> Slope:
    """How the floor slopes on which a clip's person walks, or seems to since the sensor is tilted.

    The plane on which most cells of a grid have their lowest points, with hardly any beneath it.

    Args:
        clouds: `(k, 3)` metres of each frame, z up.

    Returns:
        `LEVEL` where there is no floor, or too little of one to tell.
    """
    some = [clouds[row] for row in evenly(len(clouds), _FRAMES)]
    points = np.concatenate([np.asarray(c[evenly(len(c), _MOST_POINTS)], np.float64) for c in some])
    points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
    if len(points) < _CELLS:
        return LEVEL
    lowest = _lowest(points - np.median(points, axis=0))
    if len(lowest) < _CELLS:
        return LEVEL
    floor = lowest[_on_a_plane(lowest)]
    if len(floor) < _CELLS or np.linalg.eigvalsh(np.cov(floor[:, :2].T))[0] < _BROAD**2:
        return LEVEL
    design = np.column_stack([floor[:, :2], np.ones(len(floor))])
    along_x, along_y, _ = np.linalg.lstsq(design, floor[:, 2], rcond=None)[0].tolist()
    return along_x, along_y


def _lowest(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowest point of each cell of a grid."""
    order = np.argsort(points[:, 2])
    first = np.unique(_cells(points[order, :2], _CELL), return_index=True)[1]
    return points[order[first]]


def _on_a_plane(lowest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie on the plane, of those through three points, that most lie on."""
    rng = np.random.default_rng(0)
    corners = lowest[rng.integers(0, len(lowest), (_TRIED, 3))]
    design = np.concatenate([corners[:, :, :2], np.ones((_TRIED, 3, 1))], axis=2)
    whole = np.abs(np.linalg.det(design)) > 0.05
    planes = np.linalg.solve(design[whole], corners[whole, :, 2:])[:, :, 0]
    planes = np.vstack([[*LEVEL, np.quantile(lowest[:, 2], 0.05)], planes])
    planes = planes[np.hypot(planes[:, 0], planes[:, 1]) <= _STEEPEST]
    above = lowest[:, 2] - (planes[:, :2] @ lowest[:, :2].T + planes[:, 2:])
    on = np.abs(above) < _ON_PLANE
    under = (above < -_UNDER_PLANE).sum(axis=1)
    best: NDArray[np.bool_] = on[(on.sum(axis=1) - 3 * under).argmax()]
    return best


def _split(
    cloud: Cloud, slope: Slope
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_], NDArray[np.bool_]]:
    """Heights over a sloping floor, which points lie in the lowest slab, and which above it."""
    rise = 0.0 if slope == LEVEL else cloud[:, :2] @ np.array(slope)
    heights = cloud[:, 2] - rise
    finite = np.isfinite(cloud).all(axis=1)
    if finite.sum() < _ENOUGH:
        return heights, np.zeros(len(cloud), bool), np.zeros(len(cloud), bool)
    top = _low(heights) + _SLAB
    return heights, heights <= top, (heights > top) & finite


def _low(heights: NDArray[np.floating[Any]]) -> float:
    return float(np.quantile(heights[np.isfinite(heights)], _MOST_WITHOUT))


def _cut(
    cloud: Cloud,
    heights: NDArray[np.floating[Any]],
    slab: NDArray[np.bool_],
    floor: NDArray[np.floating[Any]],
) -> Cloud:
    """The cloud without its slab, but for the feet: what lies under ankles, above the floor.

    Args:
        cloud, heights, slab: of a frame.
        floor: heights of points of the floor.
    """
    level = np.median(floor)
    thick = max(_THINNEST, _NOISE * float(np.median(np.abs(floor - level))))
    ankles = cloud[~slab & (heights < _low(heights) + _ANKLES), :2]
    under = np.isin(_cells(cloud[:, :2]), _cells(ankles))
    kept: Cloud = cloud[~slab | (under & (heights > level + thick))]
    return kept


def _around(ankles: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Cells that a foot may lie in, by those of the ankles."""
    reach = range(-round(_TOE / _SLAB), round(_TOE / _SLAB) + 1)
    steps = [x + 1j * y for x, y in product(reach, reach) if np.hypot(x, y) * _SLAB <= _TOE]
    return np.unique(ankles[:, np.newaxis] + np.array(steps))


def _cells(points: NDArray[np.floating[Any]], side: float = _CELL) -> NDArray[np.complex128]:
    """The cell of a grid on the floor that each point lies in, as one number."""
    cells = np.floor(points.astype(np.float64) / side)
    return cells[:, 0] + 1j * cells[:, 1]
