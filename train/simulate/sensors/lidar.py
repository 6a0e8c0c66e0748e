"""A spinning 128-beam LiDAR: point clouds with self-occlusion, noise and drop-out."""

import cv2
import numpy as np
from numpy.typing import NDArray

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

OFFSETS: Array = (np.arange(len(BEAMS)) * 5 % 16 / 16).astype(np.float32)
"""Beams fire one after another while the head turns: each has its own place in an azimuth step."""


def scan(
    points: Array, rng: np.random.Generator, visible: NDArray[np.bool_] | None = None
) -> list[NDArray[np.float64]]:
    """Measures surface points.

    Every direction (beam, azimuth step) returns the nearest point in it. A closing of the range
    image keeps what lies behind a near body from showing between its points. The measured distance
    has normal noise; far and random returns are lost.

    Args:
        points: `(t, 3, v)` in the sensor's frame: x ahead, y left, z up, metres.
        rng: of this walk.
        visible: `(t, v)`, all if None.

    Returns:
        For each frame `(k, 3)` metres, in SUSTech1K's axes: −x ahead, −y left, z up.
    """
    image, first = _range_image(points, visible, rng.random(len(points)))
    hit = np.isfinite(image)
    hit &= rng.random(image.shape, np.float32) > 0.02 + 0.12 * (np.where(hit, image, 0) / 20) ** 2
    frames, beams, steps = np.nonzero(hit)
    distance = image[hit].astype(np.float64)
    distance += NOISE * rng.standard_normal(len(distance))
    azimuth = (first[frames] + steps + 0.5 + OFFSETS[beams]) * AZIMUTH_STEP
    elevation = BEAMS[beams].astype(np.float64)
    level = -distance * np.cos(elevation)
    cloud = [level * np.cos(azimuth), level * np.sin(azimuth), distance * np.sin(elevation)]
    ends = np.cumsum(hit.sum(axis=(1, 2)))[:-1]
    return np.split(np.stack(cloud, axis=1), ends)


def _range_image(
    points: Array, visible: NDArray[np.bool_] | None, start: NDArray[np.float64]
) -> tuple[Array, NDArray[np.float64]]:
    """Nearest distance in each direction, `(t, 128, w)`, infinite where there is none.

    Also the azimuth step at which each frame's window begins, `(t,)`; a turn begins anywhere in
    a step (`start`, 0..1).
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    level = np.hypot(x, y)
    steps = np.arctan2(y, x) / np.float32(AZIMUTH_STEP)
    first = np.floor(steps.min(axis=1)) - _HIDDEN_GAP + start - 2
    beams = _nearest_beam(np.arctan2(z, level))
    columns = (steps - first[:, None] - OFFSETS[beams]).astype(np.int32)
    width = int(columns.max()) + 1 + _HIDDEN_GAP
    frames = np.arange(len(points), dtype=np.int32)[:, None]
    image = np.full((len(points), len(BEAMS) + 2 * _HIDDEN_GAP, width), np.inf, np.float32)
    seen = beams >= 0 if visible is None else visible & (beams >= 0)
    cells = (frames * image.shape[1] + beams + _HIDDEN_GAP) * width + columns
    np.minimum.at(image.reshape(-1), cells[seen], np.hypot(level, z)[seen])
    return _close(image)[:, _HIDDEN_GAP:-_HIDDEN_GAP], first


_TABLE_STEP = np.radians(0.05)
_TABLE: NDArray[np.int32] = np.rint(
    np.interp(
        np.arange(BEAMS[0], BEAMS[-1] + _TABLE_STEP, _TABLE_STEP), BEAMS, np.arange(len(BEAMS))
    )
).astype(np.int32)


def _nearest_beam(elevation: Array) -> NDArray[np.int32]:
    """Index of the beam, −1 above the highest or below the lowest."""
    place = ((elevation - BEAMS[0]) / np.float32(_TABLE_STEP) + 0.5).astype(np.int32)
    inside = (place >= 0) & (place < len(_TABLE)) & (elevation >= BEAMS[0])
    return np.where(inside, _TABLE[np.clip(place, 0, len(_TABLE) - 1)], -1)


def _close(image: Array) -> Array:
    """Fills gaps of up to two cells with the nearer of their surroundings; borders stay."""
    flat = image.reshape(-1, image.shape[2])
    box = np.ones((3, 3), np.uint8)
    nearer = cv2.erode(flat, box, borderType=cv2.BORDER_REPLICATE)
    closed = cv2.dilate(nearer, box, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(closed, np.float32).reshape(image.shape)
