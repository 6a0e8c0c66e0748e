"""Groups of points that have the size of a person."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.lidar.background import Background
from capture.lidar.ground import Ground

Points = NDArray[np.float32]

CELL = 0.12
"""Metres: points in neighbouring cells of this size belong together."""

_NEAREST = 1.0
_FEET = 0.06
"""Metres above the ground from which a point is no ground."""

_HIGHEST = 2.4
_TALL = (1.0, 2.2)
_WIDEST = 1.35
_LEAST_POINTS = 15
_SHOWN_FEET = 0.4
"""Metres above the ground that a person's lowest point may be, for the feet to be in view."""


@dataclass(frozen=True, eq=False)
class Figure:
    """Points that may be a person.

    Args:
        points: `(k, 3)` metres.
        low, high: `(2,)` corners on the ground.
        middle: `(2,)` metres on the ground.
        tall: metres from the ground to the highest point.
        whole: the feet are in view.
    """

    points: Points
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    middle: NDArray[np.float64]
    tall: float
    whole: bool

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Corners on the ground, metres."""
        x0, y0 = map(float, self.low)
        x1, y1 = map(float, self.high)
        return x0, y0, x1, y1

    @property
    def is_person(self) -> bool:
        """Whether it has the size of one person."""
        wide = float((self.high - self.low).max())
        return _TALL[0] <= self.tall <= _TALL[1] and wide <= _WIDEST


def find_figures(
    points: Points, ground: Ground, background: Background | None, reach: float
) -> list[Figure]:
    """Groups of points that stand on the ground and do not belong to the background.

    Args:
        points: `(k, 3)` metres.
        ground: under them.
        background: what is always there, if known.
        reach: metres; what is further away is left out.
    """
    level = np.hypot(points[:, 0], points[:, 1])
    above = ground.above(points)
    kept = (level > _NEAREST) & (level < reach) & (above > _FEET) & (above < _HIGHEST)
    if background is not None:
        kept[kept] = ~background.hides(points[kept])
    points, above = points[kept], above[kept]
    if not len(points):
        return []
    labels = _groups(points, reach)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    groups = np.split(order, starts[1:])
    return [_figure(points[rows], above[rows]) for rows in groups if len(rows) >= _LEAST_POINTS]


def _groups(points: Points, reach: float) -> NDArray[np.intp]:
    """`(k,)` number of the group of each point, by cells on the ground that touch each other."""
    side = int(2 * reach / CELL) + 2
    cells = ((points[:, :2] + reach) / CELL).astype(np.intp)
    filled = np.zeros((side, side), np.uint8)
    filled[cells[:, 0], cells[:, 1]] = 1
    _, labels = cv2.connectedComponents(filled, connectivity=8)
    return np.asarray(labels[cells[:, 0], cells[:, 1]], np.intp)


def _figure(points: Points, above: NDArray[np.float32]) -> Figure:
    at = points[:, :2].astype(np.float64)
    low, high = np.quantile(at, (0.02, 0.98), axis=0)
    return Figure(
        points=points,
        low=low,
        high=high,
        middle=np.median(at, axis=0),
        tall=float(np.quantile(above, 0.98)),
        whole=bool(above.min() < _SHOWN_FEET),
    )
