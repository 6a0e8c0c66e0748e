"""What a fixed LiDAR always sees; what lies nearer than that is somebody, or came later."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_AZIMUTH, _ELEVATION = 0.4, 0.5
"""Degrees of a direction."""

_LOWEST, _HIGHEST = -45.0, 45.0
_COLUMNS = round(360 / _AZIMUTH)
_ROWS = round((_HIGHEST - _LOWEST) / _ELEVATION)
_NEARER, _SHARE = 0.25, 0.02
"""Metres, and part of the distance, by which a point must be nearer than the background."""

_SAME = 0.2
_FIXED = 0.6
"""Part of the directions whose distance stays the same, if the sensor does not move."""


class Background:
    """The usual distance in each direction.

    Args:
        distances: `(rows, columns)` metres, infinite where nothing was measured.
    """

    def __init__(self, distances: NDArray[np.float32]) -> None:
        # At an edge of two surfaces either may be measured: the nearer one is no news.
        wrapped = np.concatenate([distances[:, -1:], distances, distances[:, :1]], axis=1)
        around = np.ones((3, 3), np.uint8)
        nearest = cv2.erode(wrapped, around, borderType=cv2.BORDER_REPLICATE)
        self._nearest = np.asarray(nearest, np.float32)[:, 1:-1]

    def hides(self, points: NDArray[np.float32]) -> NDArray[np.bool_]:
        """`(k,)` which points are the background, or lie behind it."""
        rows, columns, distance = _directions(points)
        usual = self._nearest[rows, columns]
        return np.asarray(distance > usual - np.maximum(_NEARER, _SHARE * usual))


def learn(scans: Sequence[NDArray[np.float32]]) -> Background | None:
    """The background of some scans, spread over the recording; None if the sensor moved.

    The median over the scans: who passes does not count, who stands in one place for half of the
    time does.

    Args:
        scans: each `(k, 3)` metres.
    """
    if len(scans) < 4:
        return None
    images = np.stack([_image(points) for points in scans])
    seen = np.isfinite(images)
    with np.errstate(invalid="ignore"):
        ordered = np.sort(images, axis=0)
        count = seen.sum(axis=0)
        middle = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
        often = count >= len(scans) / 4
        usual = np.where(often, middle, np.inf).astype(np.float32)
        steady = np.abs(images - usual) < _SAME
    compared = seen & np.isfinite(usual)
    if not compared.any() or (steady & compared).sum() / compared.sum() < _FIXED:
        return None
    return Background(usual)


def _image(points: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns, distance = _directions(points)
    image = np.full(_ROWS * _COLUMNS, np.inf, np.float32)
    np.minimum.at(image, rows * _COLUMNS + columns, distance)
    return image.reshape(_ROWS, _COLUMNS)


def _directions(
    points: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    level = np.hypot(points[:, 0], points[:, 1])
    elevation = np.degrees(np.arctan2(points[:, 2], level))
    azimuth = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    rows = np.clip(((elevation - _LOWEST) / _ELEVATION).astype(np.intp), 0, _ROWS - 1)
    columns = ((azimuth + 180) / _AZIMUTH).astype(np.intp) % _COLUMNS
    return rows, columns, np.asarray(np.hypot(level, points[:, 2]), np.float32)
