"""Surface points of simple solids: what people carry and wear.

All are centred where their docstring says, x forward, y left, z up, metres, and listed in an
order whose every prefix is spread evenly.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SPACING = 0.014
"""Mean distance between neighbouring points, metres."""


def box(depth: float, width: float, height: float, roundness: float = 0.0) -> Array:
    """The six faces of a box, about its centre; `roundness` 1 makes it an ellipsoid."""
    size = np.array([depth, width, height])
    faces = []
    for axis in range(3):
        across = [k for k in range(3) if k != axis]
        for side in (-0.5, 0.5):
            spots = _even(_count(float(size[across].prod())), 2)
            faces.append(np.insert(spots - 0.5, axis, side, axis=1))
    points = np.concatenate(faces)
    points *= 1 - roundness + roundness * 0.5 / np.linalg.norm(points, axis=1, keepdims=True)
    return mixed(np.asarray(points * size, np.float32))


def ellipsoid(depth: float, width: float, height: float, lowest: float = -1.0) -> Array:
    """An ellipsoid about its centre; `lowest` cuts it off, from −1 (whole) to 1 (nothing)."""
    radii = np.array([depth, width, height]) / 2
    area = 4 * np.pi * float(np.mean(radii**2)) * (1 - lowest) / 2
    u, v = _even(_count(area), 2).T
    level = lowest + (1 - lowest) * u
    ring = np.sqrt(1 - level**2)
    unit = np.stack([ring * np.cos(2 * np.pi * v), ring * np.sin(2 * np.pi * v), level], axis=1)
    return np.asarray(unit * radii, np.float32)


def rod(length: float, radius: float) -> Array:
    """A vertical rod standing on the origin."""
    u, v = _even(_count(2 * np.pi * radius * length), 2).T
    turn = 2 * np.pi * v
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn), length * u], axis=1)
    return points.astype(np.float32)


def canopy(radius: float, rise: float) -> Array:
    """An umbrella's roof: a dome with its rim at z = 0."""
    u, v = _even(_count(np.pi * radius**2 * 1.2), 2).T
    ring = np.sqrt(u)
    turn = 2 * np.pi * v
    scallop = 1 - 0.04 * np.abs(np.sin(4 * turn))  # eight ribs
    points = [radius * ring * scallop * np.cos(turn), radius * ring * scallop * np.sin(turn)]
    return np.stack([*points, rise * (1 - ring**2)], axis=1).astype(np.float32)


def mixed(points: Array) -> Array:
    """The same points in a fixed random order, so that every prefix is spread over all of them."""
    return points[np.random.default_rng(0).permutation(len(points))]


def _count(area: float) -> int:
    return max(8, round(area / SPACING**2))


def _even(count: int, dimensions: int) -> NDArray[np.float64]:
    """`(count, dimensions)` in 0..1: the additive recurrence of the generalised golden ratio."""
    ratio = 1.0
    for _ in range(40):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1, dimensions + 1)
    return np.asarray((0.5 + np.arange(1, count + 1)[:, None] * steps) % 1, np.float64)
