"""One turn of a LiDAR, and what every recording of a LiDAR gives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gait.decode.points.axes import stand
from gait.lidar import Axis

USUAL_RATE = 10.0

_BEYOND = 1e6
"""Metres that no LiDAR measures: larger numbers, and those that are not finite, are no points."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One turn of a LiDAR.

    Args:
        index: its number, from 0.
        seconds: when it was taken, since the first one.
        points: `(k, 3)` float32 metres, the sensor at the origin, z up; all finite, none at the
            origin.
    """

    index: int
    seconds: float
    points: NDArray[np.float32]


class ScanSource(Protocol):
    """A recording that can be read any number of times.

    Attributes:
        name: of the recording.
        count: scans, None if unknown.
    """

    name: str
    count: int | None

    def scans(self) -> Iterator[Scan]: ...


class Turned:
    """A recording whose points have another axis up. See `ScanSource`.

    Args:
        source: the recording.
        up: that axis.
    """

    def __init__(self, source: ScanSource, up: Axis) -> None:
        self.name, self.count = source.name, source.count
        self._source, self._up = source, up

    def scans(self) -> Iterator[Scan]:
        """Its scans with z up."""
        for scan in self._source.scans():
            (points,) = stand([scan.points], self._up)
            yield replace(scan, points=np.asarray(points, np.float32))


def usable(points: NDArray[Any]) -> NDArray[np.float32]:
    """The `(k, 3)` points that can be, and are not at the sensor, where missing returns lie."""
    with np.errstate(over="ignore"):
        xyz = np.asarray(points[:, :3], np.float32)
    away = np.abs(xyz)
    return xyz[(away < _BEYOND).all(axis=1) & (away > 1e-3).any(axis=1)]
