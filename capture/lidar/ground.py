"""The height of the ground under a LiDAR's points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REACH = 60.0
"""Metres to each side that the grid covers."""

_CELL = 1.0
_LEAST = 3
"""Points of a cell that say something about the ground."""

_ROUNDS = 8
_NEAR = 0.3
"""Metres: a cell whose lowest points lie further from the plane than this is a car, a roof or a
pit, and takes the plane's height."""

_SIZE = int(2 * _REACH / _CELL)


@dataclass(frozen=True, eq=False)
class Ground:
    """Height of the ground in cells of a metre.

    Args:
        heights: `(n, n)` metres, the sensor in the middle.
    """

    heights: NDArray[np.float32]

    def above(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(k,)` metres of points `(k, 3)` above the ground under them."""
        rows, columns = _cells(points)
        return np.asarray(points[:, 2] - self.heights[rows, columns], np.float32)


def find_ground(points: NDArray[np.float32]) -> Ground:
    """The ground under the points of one scan or several.

    A plane is fitted to the lowest points of each cell, again and again without the cells that lie
    above it; near the plane the cells' own heights count, so that slopes and kerbs are followed.

    Args:
        points: `(k, 3)` metres, z up.
    """
    rows, columns = _cells(points)
    cells = rows * _SIZE + columns
    order = np.lexsort((points[:, 2], cells))
    found, first, count = np.unique(cells[order], return_index=True, return_counts=True)
    enough = count >= _LEAST
    # A little above the lowest one, which may be noise.
    low = points[order[first + np.minimum(count // 20, 5)], 2][enough]
    at = _middles(found[enough])
    plane = _plane(at, low)
    grid = np.stack(np.divmod(np.arange(_SIZE * _SIZE), _SIZE), axis=1)
    heights = _height(plane, (grid + 0.5) * _CELL - _REACH)
    near = np.abs(low - _height(plane, at)) < _NEAR
    heights[found[enough][near]] = low[near]
    return Ground(heights.reshape(_SIZE, _SIZE).astype(np.float32))


def _plane(at: NDArray[np.float64], low: NDArray[np.float32]) -> NDArray[np.float64]:
    """`a, b, c` of `z = a x + b y + c`; level and lowest if there is too little to fit."""
    if len(low) < 10:
        return np.array([0.0, 0.0, float(low.min(initial=0.0))])
    system = np.column_stack([at, np.ones(len(at))])
    plane = np.array([0.0, 0.0, float(np.quantile(low, 0.2))])
    for round_ in range(_ROUNDS):
        off = low - _height(plane, at)
        kept = np.abs(off) < _NEAR + 0.5 * (1 - round_ / _ROUNDS)
        if kept.sum() < 10:
            break
        plane = np.linalg.lstsq(system[kept], low[kept].astype(np.float64), rcond=None)[0]
    return plane


def _height(plane: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(at @ plane[:2] + plane[2])


def _cells(points: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    cells = np.clip(((points[:, :2] + _REACH) / _CELL).astype(np.intp), 0, _SIZE - 1)
    return cells[:, 0], cells[:, 1]


def _middles(cells: NDArray[np.intp]) -> NDArray[np.float64]:
    rows, columns = np.divmod(cells, _SIZE)
    return np.stack([rows, columns], axis=1) * _CELL + _CELL / 2 - _REACH
