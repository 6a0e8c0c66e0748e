"""A walker of capsules as LiDARs of any beams measure it, with ground, walls and people beside."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Cloud = NDArray[np.float64]

GROUND = -1.6
"""Height of the ground below the sensor, metres."""
AHEAD = 7.0
"""Metres from the sensor to the walker's path."""

_FINE = 0.2


def walker(frame: int, elevations: NDArray[np.floating], *, ahead: float = AHEAD) -> Cloud:
    """The points of one frame of somebody of 1.75 m who walks along y, x ahead and z up."""
    swing = 0.32 * np.sin(frame * np.pi / 5)
    middle = np.array([ahead, -0.6 + 0.12 * frame, GROUND])
    hips, neck = _from(middle, 0, 0, 0.9), _from(middle, 0, 0, 1.45)
    capsules = [(hips, neck, 0.17), (neck, _from(middle, 0, 0, 1.63), 0.11)]
    for side, turn in ((0.09, swing), (-0.09, -swing)):
        foot = _from(middle, side, turn, 0.06)
        knee = _from(middle, side, turn / 2 + 0.05, 0.47)
        hand = _from(hips, 2.2 * side, -turn, -0.05)
        capsules += [(_from(hips, side, 0, 0), knee, 0.08), (knee, foot, 0.06)]
        capsules += [(foot, _from(foot, 0, 0.17, 0), 0.05)]
        capsules += [(_from(neck, 2 * side, 0, -0.05), hand, 0.05)]
    return _scanned(capsules, elevations)


def _from(point: Cloud, x: float, y: float, z: float) -> Cloud:
    return np.asarray(point + np.array([x, y, z]), np.float64)


def _scanned(
    capsules: Sequence[tuple[Cloud, Cloud, float]], elevations: NDArray[np.floating]
) -> Cloud:
    """What a raster of beams and steps of 0.2° sees of capsules: the nearest point of each ray."""
    azimuth = np.radians(np.arange(-15, 15, _FINE))
    elevation = np.radians(elevations)
    across, up = np.meshgrid(azimuth, elevation)
    rays = np.stack(
        [np.cos(up) * np.cos(across), np.cos(up) * np.sin(across), np.sin(up)], axis=-1
    ).reshape(-1, 3)
    nearest = np.full(len(rays), np.inf)
    for a, b, radius in capsules:
        for part in np.linspace(0, 1, 1 + int(np.ceil(np.linalg.norm(b - a) / 0.03))):
            along = rays @ (a + part * (b - a))
            inside = radius**2 - (np.sum((a + part * (b - a)) ** 2) - along**2)
            hit = inside > 0
            nearest[hit] = np.minimum(nearest[hit], along[hit] - np.sqrt(inside[hit]))
    seen = np.isfinite(nearest)
    found: Cloud = rays[seen] * nearest[seen, np.newaxis]
    return found


def ground(
    cloud: Cloud, radius: float, *, points: int = 500, tilt: tuple[float, float] = (0, 0)
) -> Cloud:
    """The cloud and the floor about its feet; then both tilted, degrees of pitch and roll."""
    rng = np.random.default_rng(len(cloud))
    angle, away = rng.uniform(0, 2 * np.pi, points), radius * np.sqrt(rng.random(points))
    x, y = cloud[:, :2].mean(axis=0)
    flat = np.stack([x + away * np.cos(angle), y + away * np.sin(angle)], axis=1)
    height = rng.normal(GROUND, 0.01, points)
    return tilted(np.concatenate([cloud, np.column_stack([flat, height])]), *tilt)


def tilted(cloud: Cloud, pitch: float, roll: float) -> Cloud:
    """The cloud as a sensor sees it that leans, degrees."""
    a, b = np.radians([pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray(cloud @ about_y @ about_x, np.float64)
