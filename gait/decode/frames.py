"""Arrays of frames: which layout and modality they are, and their values as uint8 0..255.

| shape | dtype | read as |
|---|---|---|
| `(s, h, w)`, `(s, 1, h, w)`, `(s, h, w, 1)` | bool, integer, floating | silhouettes |
| `(h, w)` | bool, integer | one silhouette |
| `(s, 3, h, w)`, `(s, h, w, 3)` | integer, floating | range views |
| `(k, 3..6)` | floating | the points of one frame: x, y, z, … |
| `(s, k, 3)` | floating | points, padded with NaN rows |

Integers must lie in 0..255 and floating values in 0..1; a clip with values 0 and 1 only is a mask
and scaled by 255, as bool is.
"""

import math
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.decode.npy import Header
from gait.errors import ClipDtypeError, ClipEmptyError, ClipShapeError

MAX_COLUMNS = 6
"""A point has at most this many numbers: x, y, z, intensity, ring, time."""


class Layout(Enum):
    """What an array holds."""

    MASK = auto()
    MASKS = auto()
    RANGE_VIEWS = auto()
    CLOUD = auto()
    CLOUDS = auto()


def layout(header: Header) -> Layout:
    """Tells from dtype and shape what an array holds (table above).

    Raises:
        ClipShapeError: none of the layouts.
    """
    shape, floating = header.shape, header.dtype.kind == "f"
    if len(shape) == 2 and floating and 3 <= shape[1] <= MAX_COLUMNS:
        return Layout.CLOUD
    if len(shape) == 2 and not floating:
        return Layout.MASK
    if len(shape) == 3:
        return Layout.CLOUDS if floating and shape[2] == 3 else Layout.MASKS
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        return Layout.MASKS
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return Layout.RANGE_VIEWS
    raise ClipShapeError(
        f"got an array of shape {shape} and type {header.dtype}, need silhouettes "
        "(frames, height, width), range views (frames, 3, height, width) or points (points, 3)"
    )


def check_size(header: Header, kind: Layout, limits: Limits) -> None:
    """Compares what the header declares with the caps, before any number is read.

    Raises:
        LimitExceededError: too many frames, pixels, points or bytes.
        ClipEmptyError: frames without pixels, or none.
    """
    shape = header.shape
    if kind is Layout.CLOUD:
        limits.check_points(shape[0])
    elif kind is Layout.CLOUDS:
        limits.check_frames(shape[0])
        limits.check_points(shape[1])
    else:
        limits.check_frames(shape[0] if len(shape) > 2 else 1)
        limits.check_pixels(*_spatial(shape))
        if 0 in shape:
            raise ClipEmptyError(f"got frames of shape {shape}, need at least one pixel")
    limits.check_inflated(math.prod(shape) * header.dtype.itemsize)


def to_masks(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Silhouettes as `(s, h, w)` uint8 0..255.

    Args:
        array: of layout `MASK` or `MASKS`.

    Raises:
        ClipDtypeError: values out of range, NaN or infinite.
    """
    frames = array.shape[0] if array.ndim > 2 else 1
    return to_uint8(array.reshape(frames, *_spatial(array.shape)))


def to_range_views(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Range views as `(s, h, w, 3)` uint8 RGB.

    Args:
        array: `(s, 3, h, w)` or `(s, h, w, 3)`; if both fit, the last axis is the colour.

    Raises:
        ClipDtypeError: bool, or values out of range, NaN or infinite.
    """
    if array.dtype == np.bool_:
        raise ClipDtypeError("got range views of bool, need colours: uint8 0..255 or floats 0..1")
    return to_uint8(array if array.shape[3] == 3 else array.transpose(0, 2, 3, 1))


def to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as uint8 0..255, see the module for what is accepted.

    Raises:
        ClipDtypeError: integers outside 0..255, floats outside 0..1, NaN or infinity.
    """
    if array.dtype.kind == "f":
        if array.size and not (array.min() >= 0 and array.max() <= 1):  # NaN fails too
            raise ClipDtypeError(
                "got floating frames with values outside 0..1, NaN or infinity; "
                "scale them to 0..1 or send uint8 0..255"
            )
        rounded: NDArray[np.uint8] = np.rint(array * array.dtype.type(255)).astype(np.uint8)
        return rounded
    if array.dtype.itemsize > 1 or array.dtype.kind == "i":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        if low < 0 or high > 255:
            raise ClipDtypeError(f"got integer frames with values {low}..{high}, need 0..255")
    narrow: NDArray[np.uint8] = array.astype(np.uint8)
    if narrow.max(initial=0) == 1:
        narrow *= np.uint8(255)
    return narrow


def _spatial(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a frame in any of the picture layouts."""
    if len(shape) < 4:
        return shape[-2], shape[-1]
    grey = 1 in (shape[1], shape[3])
    channels_first = shape[1] == 1 if grey else shape[3] != 3
    return (shape[2], shape[3]) if channels_first else (shape[1], shape[2])
