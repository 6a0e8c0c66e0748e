"""Where a walker is, seen from the robot: views, distances and what stands in between."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LIDAR_HEIGHT = 1.0
"""Of the LiDAR above the ground, metres."""
CAMERA_BELOW = 0.1
"""The camera sits this much below the LiDAR, metres."""
CLOSEST = 3.0
"""Nobody comes nearer than this, metres."""


class Sensors(StrEnum):
    """Whose sensors see the walkers."""

    ONE = "one"
    """The same LiDAR of 128 beams and the same camera everywhere, side by side at 1 m."""
    DRAWN = "drawn"
    """For each sequence other ones, elsewhere, with their faults and at their own rates."""


@dataclass(frozen=True)
class View:
    """One of SUSTech1K's twelve.

    Args:
        angle: degrees. At 0 the subject walks towards the sensors and at 180 away from them; at 90
            the left side of the body is seen, walking to the left of the picture.
        band: part of the distance range, as shares of its logarithm.
    """

    angle: float
    band: tuple[float, float]


_NEAR, _MIDDLE, _FAR = (0.05, 0.25), (0.35, 0.6), (0.75, 1.0)
VIEWS = {
    "000": View(0, _MIDDLE),
    "000-far": View(0, _FAR),
    "045": View(45, _MIDDLE),
    "090": View(90, _MIDDLE),
    "090-near": View(90, _NEAR),
    "135": View(135, _MIDDLE),
    "180": View(180, _MIDDLE),
    "180-far": View(180, _FAR),
    "225": View(225, _MIDDLE),
    "270": View(270, _MIDDLE),
    "270-far": View(270, _FAR),
    "315": View(315, _MIDDLE),
}


@dataclass(frozen=True, eq=False)
class Path:
    """A straight walk in the LiDAR's frame: x ahead, y left, z up, ground at −1 m.

    Args:
        heading: `(2,)` unit vector.
        feet: `(t, 2)` metres, where the walker stands in each frame.
    """

    heading: NDArray[np.float64]
    feet: NDArray[np.float64]

    @property
    def nearest(self) -> float:
        """Smallest distance of the walk, metres."""
        return float(np.linalg.norm(self.feet, axis=1).min())


def lay_path(
    view: View,
    distances: tuple[float, float],
    *,
    speed: float,
    frames: int,
    rate: float,
    rng: np.random.Generator,
) -> Path:
    """A walk through a view: angle ± 5°, direction ± 6°, distance from the view's band.

    Args:
        view: which.
        distances: nearest and farthest of the simulation, metres.
        speed: m/s.
        frames: number of frames.
        rate: frames a second.
        rng: of this walk.
    """
    near, far = np.log(distances)
    distance = float(np.exp(near + rng.uniform(*view.band) * (far - near)))
    aside = np.radians(rng.uniform(-6, 6))
    angle = np.radians(180 - view.angle + rng.normal(0, 5)) + aside
    heading = np.array([np.cos(angle), np.sin(angle)])
    middle = distance * np.array([np.cos(aside), np.sin(aside)])
    along = speed * (np.arange(frames) - (frames - 1) / 2) / rate
    reach = max(0.0, distance - CLOSEST)
    longest = float(np.abs(along).max(initial=0))
    if longest > reach:  # a long walk, or a short distance: the walker treads slower
        along = along * reach / longest
    return Path(heading, middle + along[:, None] * heading)


def place(points: Array, path: Path) -> Array:
    """Takes a walker along x, `(t, 3, v)`, to the path: turned, moved, seen from the LiDAR."""
    cos, sin = (np.float32(c) for c in path.heading)
    placed = np.empty_like(points)
    feet = path.feet.astype(np.float32)[..., None]
    placed[:, 0] = cos * points[:, 0] - sin * points[:, 1] + feet[:, 0]
    placed[:, 1] = sin * points[:, 0] + cos * points[:, 1] + feet[:, 1]
    placed[:, 2] = points[:, 2] - np.float32(LIDAR_HEIGHT)
    return placed


@dataclass(frozen=True, eq=False)
class Occluder:
    """An upright thing between the sensors and the walk.

    Args:
        distance: metres ahead.
        discs: `(k, 4)` ellipses that make up its outline: centre (left, above ground) and radii,
            metres. A very large vertical radius makes a pole.
        wall: `(left, right, height)` of a rectangle on the ground, or None.
    """

    distance: float
    discs: NDArray[np.float64]
    wall: tuple[float, float, float] | None

    def hides(self, points: Array) -> NDArray[np.bool_]:
        """Which of the points `(t, 3, v)`, as the LiDAR sees them, lie behind it: `(t, v)`."""
        scale = np.float32(self.distance) / points[:, 0]
        left, up = points[:, 1] * scale, points[:, 2] * scale + np.float32(LIDAR_HEIGHT)
        hidden = np.zeros(left.shape, bool)
        if self.wall is not None:
            low, high, height = self.wall
            hidden |= (left > low) & (left < high) & (up < height)
        for y, z, width, height in self.discs.astype(np.float32):
            hidden |= ((left - y) / width) ** 2 + ((up - z) / height) ** 2 < 1
        return hidden & (points[:, 0] > self.distance)


def put_occluder(path: Path, rng: np.random.Generator) -> Occluder:
    """A pole, a bin or low wall, or a bush, across the line of sight to the walk."""
    distance = path.nearest * rng.uniform(0.5, 0.75)
    across = path.feet[:, 1] / path.feet[:, 0] * distance
    spread = float(np.ptp(across)) / 2
    side = float(across.mean() + rng.uniform(-0.6, 0.6) * spread + rng.normal(0, 0.08))
    none = np.zeros((0, 4))
    kind = rng.choice(["pole", "wall", "bush"])
    if kind == "pole":
        return Occluder(distance, np.array([[side, 1.0, rng.uniform(0.04, 0.1), 1e3]]), None)
    if kind == "wall":
        half = rng.uniform(0.15, 0.35) + 0.5 * spread
        return Occluder(distance, none, (side - half, side + half, rng.uniform(0.45, 0.75)))
    half, count = 0.25 + 0.5 * spread, 12
    leaves = np.column_stack(
        [
            side + rng.uniform(-half, half, count),
            rng.uniform(0.0, 0.95, count),
            rng.uniform(0.05, 0.14, count),
            rng.uniform(0.05, 0.14, count),
        ]
    )
    return Occluder(distance, leaves, None)


def lower(points: Array, metres: float) -> Array:
    """The same points seen from a sensor that sits `metres` lower."""
    moved = points.copy()
    moved[:, 2] += np.float32(metres)
    return moved
