"""Arrays of frames: which layout and modality they are, and their values as uint8 0..255.

| shape | dtype | read as |
|---|---|---|
| `(s, h, w)`, `(s, 1, h, w)`, `(s, h, w, 1)` | bool, integer, floating | silhouettes |
| `(h, w)` | bool, integer | one silhouette |
| `(s, 3, h, w)`, `(s, h, w, 3)` | integer, floating | range views |
| `(k, 3..12)` | floating | the points of one frame: x, y, z, … |
| `(k,)` | record with fields x, y, z | the points of one frame |
| `(s, k, 3)` | floating | points, padded with NaN rows |

A clip of masks may be black and one other value, whatever that is: 1, or the number of a class.
Other integers must lie in 0..255, or in 0..65535 if they have 16 bits, and floating values in 0..1.
"""

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.decode.npy import Header
from gait.decode.points.cloud import AXES, fields_xyz
from gait.errors import ClipDtypeError, ClipEmptyError, ClipShapeError
from gait.silhouette import FOREGROUND

MAX_COLUMNS = 12
"""A point has at most this many numbers: x, y, z, intensity, ring, time and what drivers add."""

_SHOWN_CLASSES = 8
_CLASSES = 32
"""So few values, none of which is bright, are numbers of classes and not shades."""


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
    if header.dtype.names:
        if len(shape) == 1 and set(AXES) <= set(header.dtype.names):
            return Layout.CLOUD
        raise ClipShapeError(
            f"got records of {', '.join(header.dtype.names)[:100]}, need fields x, y, z in metres"
        )
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


def split_masks(array: NDArray[Any]) -> NDArray[Any]:
    """The frames `(s, h, w)` of an array of layout `MASK` or `MASKS`."""
    frames = array.shape[0] if array.ndim > 2 else 1
    return array.reshape(frames, *_spatial(array.shape))


def to_masks(frames: Sequence[NDArray[Any]] | NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Silhouettes of one clip as uint8 0..255; all frames together say what their values mean.

    Args:
        frames: each `(h, w)` bool, integer or floating; or all of them `(s, h, w)`.

    Raises:
        ClipDtypeError: values out of range, NaN or infinite, or numbers of several classes.
    """
    parts = [frames] if isinstance(frames, np.ndarray) else frames
    low = min(float(part.min()) for part in parts)
    top = max(float(part.max(initial=0)) for part in parts)
    if not (low >= 0 and math.isfinite(top)):  # NaN fails too
        raise _out_of_range(frames[0], low, top)
    if top in (0, 255) and all(part.dtype == np.uint8 for part in parts):
        return list(frames)
    if low == 0 and all(((part == 0) | (part == top)).all() for part in parts):
        return [(frame != 0).astype(np.uint8) * np.uint8(255) for frame in frames]
    if frames[0].dtype.kind == "f":
        return [to_uint8(frame) for frame in frames]
    if top > 255 and frames[0].dtype == np.uint16:
        return [(frame / 257.0).round().astype(np.uint8) for frame in frames]
    if top < FOREGROUND and len(values := np.unique(np.concatenate(
        [np.unique(frame) for frame in frames]
    ))) <= _CLASSES:  # fmt: skip
        shown = ", ".join(str(value) for value in values[:_SHOWN_CLASSES])
        raise ClipDtypeError(
            f"got masks with the values {shown}, perhaps numbers of classes; keep the person's "
            "class only and set it to 255: numpy.where(mask == PERSON, 255, 0)"
        )
    return [to_uint8(frame) for frame in frames]


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
    low, top = array.min(initial=0), array.max(initial=0)
    if array.dtype.kind == "f":
        if not (low >= 0 and top <= 1):  # NaN fails too
            raise _out_of_range(array, float(low), float(top))
        rounded: NDArray[np.uint8] = np.rint(array * array.dtype.type(255)).astype(np.uint8)
        return rounded
    if low < 0 or top > 255:
        raise _out_of_range(array, int(low), int(top))
    return array.astype(np.uint8)


def cloud_of(array: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """The `(k, 3)` points of an array of layout `CLOUD`."""
    return fields_xyz(array) if array.dtype.names else array[:, :3]


def _out_of_range(array: NDArray[Any], low: float, top: float) -> ClipDtypeError:
    if array.dtype.kind == "f":
        return ClipDtypeError(
            "got floating frames with values outside 0..1, NaN or infinity; "
            "scale them to 0..1 or send uint8 0..255"
        )
    return ClipDtypeError(f"got integer frames with values {low:.0f}..{top:.0f}, need 0..255")


def _spatial(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a frame in any of the picture layouts."""
    if len(shape) < 4:
        return shape[-2], shape[-1]
    grey = 1 in (shape[1], shape[3])
    channels_first = shape[1] == 1 if grey else shape[3] != 3
    return (shape[2], shape[3]) if channels_first else (shape[1], shape[2])
