"""The floor around a walking person's feet, taken away from the points of a frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.points.cloud import Cloud

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


def without_ground(cloud: Cloud) -> Cloud:
    """The cloud without its floor; the cloud itself where there is none.

    A floor is a slab of the lowest points that reaches half a metre further than all that stands on
    it. Of the slab only what lies above the floor's own height, under the ankles, is kept: feet.

    Args:
        cloud: `(k, 3)` metres, z up.
    """
    points = cloud[np.isfinite(cloud).all(axis=1)]
    if len(points) < 10:
        return cloud
    low = np.quantile(points[:, 2], _MOST_WITHOUT)
    slab = cloud[:, 2] <= low + _SLAB
    person = cloud[(cloud[:, 2] > low + _SLAB) & np.isfinite(cloud).all(axis=1), :2]
    if len(person) < 10 or slab.sum() < 10:
        return cloud
    beyond = np.maximum(person.min(axis=0) - cloud[slab, :2].min(axis=0), 0)
    beyond = np.maximum(beyond, cloud[slab, :2].max(axis=0) - person.max(axis=0))
    if beyond.max() < _WIDER:
        return cloud
    inside = ((cloud[:, :2] >= person.min(axis=0)) & (cloud[:, :2] <= person.max(axis=0))).all(
        axis=1
    )
    floor = cloud[slab & ~inside, 2]
    level = np.median(floor)
    thick = max(_THINNEST, _NOISE * float(np.median(np.abs(floor - level))))
    ankles = cloud[(cloud[:, 2] > low + _SLAB) & (cloud[:, 2] < low + _ANKLES), :2]
    under = np.isin(_cells(cloud[:, :2]), _cells(ankles))
    kept: Cloud = cloud[~slab | (under & (cloud[:, 2] > level + thick))]
    return kept


def _cells(points: NDArray[np.floating[Any]]) -> NDArray[np.complex128]:
    """The cell of a grid on the floor that each point lies in, as one number."""
    cells = np.floor(points.astype(np.float64) / _CELL)
    return cells[:, 0] + 1j * cells[:, 1]
