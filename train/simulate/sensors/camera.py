"""A pinhole camera and a person segmenter: silhouettes."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from train.simulate.movement.rotation import euler

Array = NDArray[np.float32]
Masks = NDArray[np.uint8]

FOCAL = 460.0
"""Focal length in pixels: one pixel is 1/8 degree."""
_MARGIN = 6
SOFTNESS = 1.0
"""Blur of a segmenter's confidence, pixels."""


def turned(points: Array, yaw: float, pitch: float, roll: float) -> Array:
    """The same points in the frame of a camera that is turned.

    Args:
        points: `(t, 3, v)`: x ahead, y left, z up, metres.
        yaw, pitch, roll: radians: how far the camera looks to the left and down, and how far its
            left side is raised.
    """
    turn = euler("zyx", np.array([-yaw, -pitch, -roll]))
    return np.asarray(turn.astype(np.float32) @ points, np.float32)


def photograph(
    points: Array, visible: NDArray[np.bool_] | None = None, focal: float = FOCAL
) -> Masks:
    """Projects surface points: `u = −f y / x`, `v = −f z / x`.

    Points lie closer than the gaps that a 3×3 closing fills. A pixel of a coarse camera is lit
    where the person covers at least half of it, as the picture of a finer camera says.

    Args:
        points: `(t, 3, v)` in the camera's frame: x ahead, y left, z up, metres.
        visible: `(t, v)`, all if None.
        focal: focal length, pixels.

    Returns:
        `(t, h, w)` 0 or 255: each frame a window around its person.
    """
    finer = max(1, int(FOCAL / focal))
    masks = _touched(points, visible, focal * finer, _MARGIN * finer)
    return masks if finer == 1 else _covered(masks, finer)


def _touched(points: Array, visible: NDArray[np.bool_] | None, focal: float, margin: int) -> Masks:
    """Every pixel that a surface point falls on, and the gaps between them."""
    scale = np.float32(focal) / points[:, 0]
    columns = (points[:, 1] * -scale).astype(np.int32)
    rows = (points[:, 2] * -scale).astype(np.int32)
    columns -= columns.min(axis=1, keepdims=True) - margin
    rows -= rows.min(axis=1, keepdims=True) - margin
    height, width = int(rows.max()) + 1 + margin, int(columns.max()) + 1 + margin
    masks = np.zeros((len(points), height, width), np.uint8)
    frames = np.arange(len(points), dtype=np.int32)[:, None]
    pixels = (frames * height + rows) * width + columns
    masks.reshape(-1)[pixels if visible is None else pixels[visible]] = 255
    return _as_one_image(masks, lambda image: cv2.morphologyEx(image, cv2.MORPH_CLOSE, _BOX))


def _covered(masks: Masks, finer: int) -> Masks:
    """Squares of `finer` × `finer` pixels as one, lit where at least half of them are."""
    height, width = (-(-side // finer) for side in masks.shape[1:])
    rest = (height * finer - masks.shape[1], width * finer - masks.shape[2])
    padded = np.pad(masks, ((0, 0), (0, rest[0]), (0, rest[1])))
    squares = padded.reshape(len(masks), height, finer, width, finer)
    return np.asarray((squares.mean(axis=(2, 4)) >= 127.5) * np.uint8(255), np.uint8)


def segment(
    masks: Masks, rng: np.random.Generator, *, night: bool, softness: float = SOFTNESS
) -> Masks:
    """What a segmentation network would return: a ragged border, by night also lost regions.

    A smooth random field is added to the softened mask before it is thresholded, by day only where
    the border leaves doubt. Losses by night come and go slowly: neighbouring frames share most of
    their field.

    Args:
        masks: `(t, h, w)` 0 or 255.
        rng: of this walk.
        night: whether it is dark.
        softness: blur of the confidence, pixels: the softer, the wider the border that is in doubt.
    """
    soft = _as_one_image(masks, lambda image: cv2.GaussianBlur(image, (0, 0), softness))
    confidence = soft.astype(np.float32)
    doubt = 1 - np.abs(confidence - 127.5) / 127.5
    noise = 90 * doubt * _field(masks.shape, 3, rng)
    if night:
        patch = max(6, masks.shape[1] // 8)
        noise += 105 * _slow(_field(masks.shape, patch, rng)) + 45 * _field(masks.shape, 5, rng)
        noise -= 45
    inside = (soft > 0) & (confidence + noise > 127)
    return np.asarray(inside * np.uint8(255), np.uint8)


_BOX = np.ones((3, 3), np.uint8)


def _as_one_image(masks: Masks, operation: Callable[[Masks], NDArray[Any]]) -> Masks:
    """Runs an OpenCV filter on all frames at once, one above the other; margins keep them apart."""
    frames, height, width = masks.shape
    return np.asarray(operation(masks.reshape(-1, width)), np.uint8).reshape(frames, height, width)


def _field(shape: tuple[int, ...], grain: int, rng: np.random.Generator) -> Array:
    """Gaussian noise of unit variance at knots `grain` pixels apart, smooth between."""
    frames, height, width = shape
    size = (frames, height // grain + 2, width // grain + 2)
    knots = rng.standard_normal(size, np.float32)
    return np.stack([cv2.resize(k, (width, height), interpolation=cv2.INTER_LINEAR) for k in knots])


def _slow(field: Array) -> Array:
    """Mixes each frame with the one before it, keeping the variance: correlation 0.8."""
    for frame in range(1, len(field)):
        field[frame] = 0.8 * field[frame - 1] + 0.6 * field[frame]
    return field
