"""Clouds turned so that x points at the walker and z up, by what is known or seen of their axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.decode.points.cloud import Cloud
from gait.errors import ClipError
from gait.lidar import Axis, LidarSensor
from gait.range_view import MIN_PIXELS

_ASIDE = 60.0
"""Degrees from the forward axis from which on that axis must be another one."""

_LYING = 0.6
"""A person whose height is less than this part of their width does not stand along z."""

_SPREAD = 1.0
"""Metres of width from which on lying can be told from crouching."""

_NEAREST = 0.7
"""Metres: nobody walks nearer to a LiDAR, so such points are not in its coordinates."""

_HEAD = 1.4
"""A walker's feet are spread wider than the head by this factor: the other way round is upside
down."""

_ENDS = 0.12
"""Part of the height at each end that is compared."""


@dataclass(frozen=True)
class CloudSource:
    """How clouds were recorded, as far as it is known; the rest is estimated from the points.

    Args:
        sensor: which LiDAR.
        forward: the axis that points at the walker.
        up: the axis that points up; None: the sensor's, else +z.
    """

    sensor: LidarSensor | None = None
    forward: Axis | None = None
    up: Axis | None = None

    @property
    def ahead(self) -> Axis | None:
        """The forward axis that was said, or is the sensor's."""
        return self.forward or (self.sensor.forward if self.sensor else None)

    @property
    def upward(self) -> Axis | None:
        """The upward axis that was said, or is the sensor's."""
        return self.up or (self.sensor.up if self.sensor else None)


UNKNOWN = CloudSource()


def stand(clouds: Sequence[Cloud], up: Axis) -> list[Cloud]:
    """The clouds with z up, if that axis of theirs points up."""
    return [_in_axes(cloud, _level(up), up) for cloud in clouds]


def forward_of(standing: Sequence[Cloud], source: CloudSource) -> Axis:
    """The axis of the file that points at the walker.

    Args:
        standing: `(k, 3)` points of each frame, of one person, from `stand`.
        source: which axes are known.

    Raises:
        ClipError: the points do not stand upright, stand on their head, do not lie toward the axis
            that was said to be forward, or lie about the sensor itself.
    """
    people = [cloud for cloud in map(_measured, standing) if len(cloud) >= MIN_PIXELS]
    _require_upright(people, said=source.upward is not None)
    middle = np.median([np.median(cloud, axis=0) for cloud in people], axis=0) if people else None
    return _forward(middle, source.ahead, source.upward or Axis.PLUS_Z)


def face(standing: Sequence[Cloud], forward: Axis, up: Axis) -> list[Cloud]:
    """Clouds from `stand` with x toward the walker, y to the left and z up."""
    if forward is _level(up):
        return list(standing)
    ahead, level = forward.direction, _level(up).direction
    x, y = float(ahead @ level), float(ahead @ np.cross(up.direction, level))
    axes = np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]])
    return [(cloud @ axes.T).astype(cloud.dtype, copy=False) for cloud in standing]


def _in_axes(cloud: Cloud, forward: Axis, up: Axis) -> Cloud:
    if (forward, up) == (Axis.PLUS_X, Axis.PLUS_Z):
        return cloud
    ahead, above = forward.direction, up.direction
    axes = np.stack([ahead, np.cross(above, ahead), above])
    turned: Cloud = (cloud @ axes.T).astype(cloud.dtype, copy=False)
    return turned


def _level(up: Axis) -> Axis:
    """Some axis that is level where `up` is up."""
    return Axis.PLUS_Y if up[1] == "x" else Axis.PLUS_X


def _measured(cloud: Cloud) -> NDArray[np.float64]:
    points = np.asarray(cloud, dtype=np.float64)
    return points[np.isfinite(points).all(axis=1) & points.any(axis=1)]


def _forward(middle: NDArray[np.float64] | None, said: Axis | None, up: Axis) -> Axis:
    """The axis at the walker: the one that was said, if that can be, else the nearest."""
    axes = [axis for axis in Axis if axis[1] != up[1]]
    if said is not None and said not in axes:
        raise ClipError(f"got {said} as forward and {up} as up, need two axes at right angles")
    if middle is None:
        return said or _level(up)
    base = np.stack([_level(up).direction, np.cross(up.direction, _level(up).direction)])
    level = middle[:2] @ base  # in the axes of the file
    away = float(np.hypot(*middle[:2]))
    nearest = max(axes, key=lambda axis: float(axis.direction @ level))
    if said is None:
        if away < _NEAREST:
            raise ClipError(
                f"the points lie {away:.1f} m from the origin, which must be the sensor: send them "
                "in its coordinates, not in the person's own"
            )
        return nearest
    angle = np.degrees(np.arccos(np.clip(said.direction @ level / max(away, 1e-9), -1, 1)))
    if angle > _ASIDE:
        raise ClipError(
            f"the points lie toward {nearest} of the sensor, {said} was said to point at the "
            f"walker; say forward={nearest} if that is so, else turn the points"
        )
    return said


def _require_upright(people: Sequence[NDArray[np.float64]], *, said: bool) -> None:
    """Refuses clouds whose axes are not what they were taken for: they would look like a person.

    Raises:
        ClipError: most frames lie along the ground, or stand on their head.
    """
    if not people:
        return
    sizes = [np.subtract(*np.quantile(cloud, (0.95, 0.05), axis=0)) for cloud in people]
    size = np.median(sizes, axis=0)
    if max(size[:2]) > _SPREAD and size[2] < _LYING * max(size[:2]):
        raise ClipError(
            f"the points are {size[2]:.1f} m high and {max(size[:2]):.1f} m wide, need one upright "
            "person, z up, in metres; say which axis is up, such as up=+y, or swap the axes so "
            "that z points up, and send that person's points only"
        )
    if not said and _upside_down(people):
        raise ClipError(
            "the points stand on their head if z points up: say up=-z if z points down, or up=+z "
            "if they are right as they are"
        )


def _upside_down(people: Sequence[NDArray[np.float64]]) -> bool:
    """Whether the upper end is the wide one, and most of the person above the sensor."""
    ends, levels = [], []
    for cloud in people:
        low, high = cloud[:, 2].min(), cloud[:, 2].max()
        part = _ENDS * (high - low)
        below, above = cloud[cloud[:, 2] <= low + part], cloud[cloud[:, 2] >= high - part]
        wide = [float(np.ptp(end[:, :2], axis=0).max()) for end in (below, above)]
        ends.append(wide[1] / max(wide[0], 0.05))
        levels.append(low + high)
    return float(np.median(ends)) > _HEAD and float(np.median(levels)) > 0
