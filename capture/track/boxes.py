"""Boxes `x0, y0, x1, y1` in pixels: how they overlap, and which of several alike to keep."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float64]
Boxes = NDArray[np.float64]


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """`(n,)` areas of `(n, 4)` boxes."""
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def common_areas(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """`(n, m)` areas that each of `(n, 4)` boxes shares with each of `(m, 4)`."""
    a, b = first.reshape(-1, 1, 4), second.reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=-1))


def iou(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """`(n, m)` shared area in the united one.

    >>> iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3).tolist()
    [[0.333]]
    """
    common = common_areas(first, second)
    united = areas(first).reshape(-1, 1) + areas(second).reshape(1, -1) - common
    return np.asarray(common / np.maximum(united, 1e-9))


def inside(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """`(n, m)` how much of the smaller of two boxes lies in the other."""
    smaller = np.minimum(areas(first).reshape(-1, 1), areas(second).reshape(1, -1))
    return np.asarray(common_areas(first, second) / np.maximum(smaller, 1e-9))


def without_doubles(boxes: Boxes, scores: NDArray[Any], most: float) -> NDArray[np.intp]:
    """Rows to keep, the best first: none shares more than `most` with a better one (IoU)."""
    if not len(boxes):
        return np.zeros(0, np.intp)
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.astype(float).tolist(), 0.0, most)
    return np.asarray(kept, dtype=np.intp).reshape(-1)
