"""A LiDAR: point clouds with self-occlusion, noise and drop-out."""

import itertools
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.lidar import LidarSensor

Array = NDArray[np.float32]

AZIMUTH_STEP = np.radians(0.2)
NOISE = 0.025
"""Standard deviation of a measured distance, metres."""
_HIDDEN_GAP = 2

BEAMS: Array = np.radians(
    np.concatenate(
        [
            np.linspace(-25, -10.1, 22, endpoint=False),
            np.arange(92) * 0.2 - 10.1,
            np.linspace(8.6, 15, 14),
        ]
    )
).astype(np.float32)
"""Elevation of the 128 beams, −25° to +15°: 0.2° apart about the horizon, wider beyond."""

_FINE = 0.2
"""Degrees between the rows of a raster that is finer than the sensor: a beam is thin, and sees
nothing of what lies between it and the next."""

_WIDEST_STEP = 0.25
"""Degrees of azimuth from which on the raster is finer than the sensor's steps."""

_IRREGULAR = 0.25
"""Share of the fine raster that a sensor without rows measures in one frame."""

_GROUND_NOISE = 0.01
"""Metres that a floor is uneven."""


@dataclass(frozen=True, eq=False)
class Raster:
    """The directions in which a range image is made, and those of them that are measured.

    Args:
        rows: elevations, radians, rising.
        beams: which rows are beams of the sensor; None: any direction may be measured.
        column: width of a column, radians.
        every: a beam measures one of so many columns.
        noise: standard deviation of a distance, metres.
        lost: share of the returns that are lost near by.
    """

    rows: Array
    beams: NDArray[np.intp] | None
    column: float
    every: int = 1
    noise: float = NOISE
    lost: float = 0.02

    @property
    def offsets(self) -> Array:
        """Each row's place in a column: beams fire one after another while the head turns."""
        return (np.arange(len(self.rows)) * 5 % 16 / 16).astype(np.float32)

    def between(self, lowest: float, highest: float) -> "Raster":
        """The part of the raster between two elevations, radians: a person is seen by few rows."""
        low, high = np.searchsorted(self.rows, (lowest, highest))
        low, high = max(0, int(low) - 2), min(len(self.rows), max(int(high), int(low) + 4) + 2)
        beams = self.beams
        if beams is not None:
            beams = beams[(beams >= low) & (beams < high)] - low
        return replace(self, rows=self.rows[low:high], beams=beams)


OWN = Raster(BEAMS, np.arange(len(BEAMS)), float(AZIMUTH_STEP))
"""The raster of the 128 beams, which are taken to be as wide as they lie apart."""


def raster_of(sensor: LidarSensor) -> Raster:
    """The raster on which a described sensor is simulated."""
    every = ceil(sensor.azimuth_step / _WIDEST_STEP)
    column = float(np.radians(sensor.azimuth_step)) / every
    if sensor.elevations is None:
        rows = np.radians(np.arange(-25, 25, _FINE)).astype(np.float32)
        return Raster(rows, None, column, every, sensor.noise, sensor.lost)
    elevations = np.array(sensor.elevations)
    between = [
        np.linspace(a, b, max(1, round((b - a) / _FINE)), endpoint=False)
        for a, b in itertools.pairwise(elevations)
    ]
    first = np.cumsum([0, *map(len, between)])
    rows = np.radians(np.append(np.concatenate(between), elevations[-1])).astype(np.float32)
    return Raster(rows, first.astype(np.intp), column, every, sensor.noise, sensor.lost)


@dataclass(frozen=True, eq=False)
class Floor:
    """What is left of the ground about a walker's feet.

    Args:
        below: metres from the sensor down to it.
        radius: metres about the feet.
        feet: `(t, 2)` metres, where the walker stands in each frame.
    """

    below: float
    radius: float
    feet: NDArray[np.float64]


def scan(
    points: Array,
    rng: np.random.Generator,
    visible: NDArray[np.bool_] | None = None,
    raster: Raster = OWN,
    floor: Floor | None = None,
) -> list[NDArray[np.float64]]:
    """Measures surface points.

    Every direction (row, column) returns the nearest point in it. A closing of the range image
    keeps what lies behind a near body from showing between its points. The measured distance has
    normal noise; far and random returns are lost.

    Args:
        points: `(t, 3, v)` in the sensor's frame: x ahead, y left, z up, metres.
        rng: of this walk.
        visible: `(t, v)`, all if None.
        raster: of the sensor.
        floor: what is seen of the ground, if anything.

    Returns:
        For each frame `(k, 3)` metres, in SUSTech1K's axes: −x ahead, −y left, z up.
    """
    image, first = _range_image(points, visible, rng.random(len(points)), raster)
    if floor is not None:
        image = _on_floor(image, first, raster, floor, rng)
    hit = np.isfinite(image)
    hit &= _measured(image.shape, raster, rng)
    far = 0.12 * (np.where(hit, image, 0) / 20) ** 2
    hit &= rng.random(image.shape, np.float32) > raster.lost + far
    frames, rows, columns = np.nonzero(hit)
    distance = image[hit].astype(np.float64)
    distance += raster.noise * rng.standard_normal(len(distance))
    azimuth = (first[frames] + columns + 0.5 + raster.offsets[rows]) * raster.column
    elevation = raster.rows[rows].astype(np.float64)
    level = -distance * np.cos(elevation)
    cloud = [level * np.cos(azimuth), level * np.sin(azimuth), distance * np.sin(elevation)]
    ends = np.cumsum(hit.sum(axis=(1, 2)))[:-1]
    return np.split(np.stack(cloud, axis=1), ends)


def _measured(
    shape: tuple[int, ...], raster: Raster, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which directions of a range image the sensor measures."""
    if raster.beams is None:
        return rng.random(shape, np.float32) < _IRREGULAR
    measured = np.zeros(shape, bool)
    measured[:, raster.beams] = True
    if raster.every > 1:
        phase = rng.integers(raster.every, size=(shape[0], 1, 1))
        measured &= (np.arange(shape[2]) + phase) % raster.every == 0
    return measured


def _range_image(
    points: Array, visible: NDArray[np.bool_] | None, start: NDArray[np.float64], raster: Raster
) -> tuple[Array, NDArray[np.float64]]:
    """Nearest distance in each direction, `(t, rows, w)`, infinite where there is none.

    Also the column at which each frame's window begins, `(t,)`; a turn begins anywhere in a column
    (`start`, 0..1).
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    level = np.hypot(x, y)
    steps = np.arctan2(y, x) / np.float32(raster.column)
    first = np.floor(steps.min(axis=1)) - _HIDDEN_GAP + start - 2
    rows = _nearest_row(np.arctan2(z, level), raster.rows)
    columns = (steps - first[:, None] - raster.offsets[rows]).astype(np.int32)
    width = int(columns.max()) + 1 + _HIDDEN_GAP
    frames = np.arange(len(points), dtype=np.int32)[:, None]
    image = np.full((len(points), len(raster.rows) + 2 * _HIDDEN_GAP, width), np.inf, np.float32)
    seen = rows >= 0 if visible is None else visible & (rows >= 0)
    cells = (frames * image.shape[1] + rows + _HIDDEN_GAP) * width + columns
    np.minimum.at(image.reshape(-1), cells[seen], np.hypot(level, z)[seen])
    return _close(image)[:, _HIDDEN_GAP:-_HIDDEN_GAP], first


def _on_floor(
    image: Array,
    first: NDArray[np.float64],
    raster: Raster,
    floor: Floor,
    rng: np.random.Generator,
) -> Array:
    """The range image with the ground about the feet, wherever nothing is before it."""
    aside = ceil(np.arctan2(floor.radius, np.linalg.norm(floor.feet, axis=1).min()) / raster.column)
    image = np.pad(image, ((0, 0), (0, 0), (aside, aside)), constant_values=np.inf)
    first -= aside
    azimuth = (first[:, None, None] + np.arange(image.shape[2]) + 0.5) * raster.column
    down = np.maximum(-np.sin(raster.rows), 1e-6)[None, :, None]
    uneven = floor.below + _GROUND_NOISE * rng.standard_normal(image.shape, np.float32)
    distance = (uneven / down).astype(np.float32)
    level = distance * np.cos(raster.rows)[None, :, None]
    x = level * np.cos(azimuth) - floor.feet[:, 0, None, None]
    y = level * np.sin(azimuth) - floor.feet[:, 1, None, None]
    ground = np.where(np.hypot(x, y) < floor.radius, distance, np.inf)
    return np.minimum(image, ground.astype(np.float32))


_TABLE_STEP = np.radians(0.05)


def _nearest_row(elevation: Array, rows: Array) -> NDArray[np.int32]:
    """Index of the row, −1 above the highest or below the lowest."""
    grid = np.arange(rows[0], rows[-1] + _TABLE_STEP, _TABLE_STEP)
    table = np.rint(np.interp(grid, rows, np.arange(len(rows)))).astype(np.int32)
    place = ((elevation - rows[0]) / np.float32(_TABLE_STEP) + 0.5).astype(np.int32)
    inside = (place >= 0) & (place < len(table)) & (elevation >= rows[0])
    return np.where(inside, table[np.clip(place, 0, len(table) - 1)], -1)


def _close(image: Array) -> Array:
    """Fills gaps of up to two cells with the nearer of their surroundings; borders stay."""
    flat = image.reshape(-1, image.shape[2])
    box = np.ones((3, 3), np.uint8)
    nearer = cv2.erode(flat, box, borderType=cv2.BORDER_REPLICATE)
    closed = cv2.dilate(nearer, box, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(closed, np.float32).reshape(image.shape)
