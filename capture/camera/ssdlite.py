"""SSDLite-MobileNetV2 for people of any distance: its anchors, its boxes, its two sizes."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from capture.camera.frozen_graph import PAIRS, to_onnx
from capture.track.boxes import Boxes, without_doubles

Picture = NDArray[np.uint8]
Found = tuple[Boxes, NDArray[np.float64]]
"""Boxes `(n, 4)` in pixels and scores `(n,)` 0..1."""

TRAINED_AT = 300
_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_FIRST_STRIDE = 4
"""Convolutions with stride 2 before the first map."""

LEVELS = ((300, np.inf), (480, 170.0))
"""Short sides in pixels at which a picture is looked at, and the tallest box believed there: taller
ones at 480 are lawns and walls."""

_DOUBLE = 0.5


class SsdLite:
    """Finds people in pictures; threads may share one.

    Args:
        path: the frozen graph.
        levels: short sides and tallest boxes, see `LEVELS`.
    """

    def __init__(self, path: Path, levels: Sequence[tuple[int, float]] = LEVELS) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            to_onnx(path.read_bytes()), options, providers=["CPUExecutionProvider"]
        )
        self._levels = levels

    def find(self, picture: Picture, least: float = 0.1) -> Found:
        """People in a BGR picture `(h, w, 3)`, the most certain first."""
        found = [self._at(picture, side, tallest, least) for side, tallest in self._levels]
        boxes = np.concatenate([each[0] for each in found])
        scores = np.concatenate([each[1] for each in found])
        kept = without_doubles(boxes, scores, _DOUBLE)
        return boxes[kept], scores[kept]

    def _at(self, picture: Picture, side: int, tallest: float, least: float) -> Found:
        scale = side / min(picture.shape[:2])
        width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(picture, (width, height), interpolation=method)
        blob = cv2.dnn.blobFromImage(small, 2 / 255, mean=(127.5,) * 3, swapRB=True)
        maps = self._session.run(None, {"x": blob})
        scores = 1 / (1 + np.exp(-np.concatenate([_rows(m, 2) for m in maps[1::2]])[:, 1]))
        likely = scores > least
        rows = np.concatenate([_rows(each, 4) for each in maps[::2]])[likely].astype(np.float64)
        boxes = _decoded(rows, anchors(width, height)[likely])
        boxes = np.clip(boxes, 0, [width, height, width, height])
        believed = boxes[:, 3] - boxes[:, 1] <= tallest
        return boxes[believed] / scale, scores[likely][believed].astype(np.float64)


def _rows(prediction: NDArray[Any], numbers: int) -> NDArray[Any]:
    """One row an anchor, in the order of `anchors`."""
    return np.asarray(prediction[0].transpose(1, 2, 0).reshape(-1, numbers))


def _decoded(rows: Boxes, anchor: Boxes) -> Boxes:
    """Boxes from offsets `ty, tx, th, tw` (÷ 10, 10, 5, 5) of anchors `cy, cx, h, w`."""
    cy, cx = (rows[:, :2] / 10 * anchor[:, 2:] + anchor[:, :2]).T
    half_h, half_w = (np.exp(rows[:, 2:] / 5) * anchor[:, 2:] / 2).T
    return np.stack([cx - half_w, cy - half_h, cx + half_w, cy + half_h], axis=1)


@cache
def anchors(width: int, height: int) -> Boxes:
    """`(n, 4)` anchors `cy, cx, h, w` in pixels of a picture of this size.

    The network was trained at 300 × 300. In another size boxes keep their size in pixels, and lie
    where the cells' receptive fields do; dividing the picture evenly into cells would shift every
    box by up to 5 % of its height.
    """
    found = []
    for level in range(PAIRS):
        sizes = _sizes(level)
        steps = _FIRST_STRIDE + level
        middle = _centres(TRAINED_AT, steps).mean() - TRAINED_AT / 2
        cy, cx = _centres(height, steps) - middle, _centres(width, steps) - middle
        grid = np.empty((len(cy), len(cx), len(sizes), 4))
        grid[..., 0], grid[..., 1] = cy[:, None, None], cx[None, :, None]
        grid[..., 2:] = sizes
        found.append(grid.reshape(-1, 4))
    return np.concatenate(found)


def _sizes(level: int) -> NDArray[np.float64]:
    """`(k, 2)` height and width of the anchors of a cell, in pixels at 300."""
    if level == 0:
        boxes = [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
    else:
        scale, following = _SCALES[level : level + 2]
        boxes = [(scale, ratio) for ratio in _RATIOS] + [((scale * following) ** 0.5, 1.0)]
    size = TRAINED_AT * np.array([scale for scale, _ in boxes])
    root = np.sqrt([ratio for _, ratio in boxes])
    return np.stack([size / root, size * root], axis=1)


def _centres(pixels: int, steps: int) -> NDArray[np.float64]:
    """Where the receptive field of each cell lies after convolutions of 3, stride 2.

    TensorFlow's `SAME` padding puts an odd pixel after the picture, not before it.
    """
    stride, offset = 1.0, 0.5
    for _ in range(steps):
        cells = -(-pixels // 2)
        offset += stride * (1 - max((cells - 1) * 2 + 3 - pixels, 0) // 2)
        stride, pixels = stride * 2, cells
    return np.asarray(stride * np.arange(pixels) + offset, np.float64)
