"""Clouds of a small street: ground, a wall, and upright figures that walk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEIGHT = 1.8
"""Of the sensor above the ground, metres."""

_WALL = 14.0


@dataclass(frozen=True)
class Figure:
    """A figure of 1.7 m that walks along y.

    Args:
        ahead: metres.
        start: metres to the left, in scan `first`.
        speed: metres a scan.
        first, last: scans in which it is there.
    """

    ahead: float
    start: float
    speed: float
    first: int = 0
    last: int = 10_000

    def at(self, scan: int) -> tuple[float, float]:
        """Where it stands."""
        return self.ahead, self.start + self.speed * (scan - self.first)


def cloud(figures: Sequence[Figure], scan: int) -> NDArray[np.float32]:
    """The points of one scan."""
    rng = np.random.default_rng(scan)
    azimuth, elevation = np.meshgrid(
        np.radians(np.arange(-60, 60, 0.4)), np.radians(np.arange(-20, 4, 0.8))
    )
    level = np.cos(elevation)
    directions = np.stack(
        [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        distance = np.where(directions[:, 2] < 0, -HEIGHT / directions[:, 2], np.inf)
        distance = np.minimum(distance, _WALL / directions[:, 0])
    for each in figures:
        if each.first <= scan <= each.last:
            distance = np.minimum(distance, _distance(each, scan, directions))
    distance += rng.normal(0, 0.01, len(distance))
    seen = distance < 40
    return np.asarray(directions[seen] * distance[seen, None], np.float32)


def _distance(figure: Figure, scan: int, directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of an upright cylinder, by direction; infinite beside it."""
    x, y = figure.at(scan)
    level = np.hypot(directions[:, 0], directions[:, 1])
    across = (directions[:, 0] * y - directions[:, 1] * x) / level
    reach = np.hypot(x, y) / level
    top = reach * directions[:, 2] + HEIGHT
    hit = (np.abs(across) < 0.22) & (top < 1.7) & (top > 0) & (directions[:, 0] > 0)
    return np.where(hit, reach - 0.2 * np.cos(np.clip(across / 0.22, -1, 1) * np.pi / 2), np.inf)
