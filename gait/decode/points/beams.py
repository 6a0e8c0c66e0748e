"""Points of one beam brought to one elevation, so that rounding cannot part them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gait.decode.points.cloud import Cloud
from gait.range_view import BEAM_EDGE, SAME_ROW

_THICKEST = 0.5
"""Of the distance to the next group of elevations: what is thicker is no beam."""


def on_beams(clouds: Sequence[Cloud]) -> list[Cloud]:
    """Clouds in which the points of each beam have exactly one elevation.

    A LiDAR whose beams lie at whole degrees has them on the very borders of a picture's rows. There
    the last bit of a float32 decides, and half a beam would come to lie in another row.

    Args:
        clouds: `(k, 3)` metres of each frame, sensor at the origin, z up.

    Returns:
        float64. Points that form no beams, as those of an irregular sensor, are as they were.
    """
    return [_on_beams(np.array(cloud, np.float64)) for cloud in clouds]


def _on_beams(cloud: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        level = np.hypot(cloud[:, 0], cloud[:, 1])
        elevation = np.degrees(np.arctan2(cloud[:, 2], level))
    measured = np.flatnonzero(np.isfinite(cloud).all(axis=1) & (level > 0) & np.isfinite(level))
    if not len(measured):
        return cloud
    order = measured[np.argsort(elevation[measured], kind="stable")]
    rising = elevation[order]
    first = np.flatnonzero(np.append(True, np.diff(rising) > SAME_ROW))
    last = np.append(first[1:], len(rising)) - 1
    apart = rising[first[1:]] - rising[last[:-1]]
    if not len(apart):
        return cloud
    nearest = np.minimum(np.append(apart[0], apart), np.append(apart, apart[-1]))
    beam = rising[last] - rising[first] <= _THICKEST * nearest
    counts = last - first + 1
    middle = np.add.reduceat(rising, first) / counts + BEAM_EDGE
    moved = order[np.repeat(beam, counts)]
    elevations = np.repeat(middle[beam], counts[beam])
    cloud[moved, 2] = level[moved] * np.tan(np.radians(elevations))
    return cloud
