"""Point clouds: the bytes of one frame → `(k, 3)` x, y, z in metres."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.errors import CorruptFileError

Cloud = NDArray[np.floating[Any]]
_KITTI = np.dtype("<f4")
_KITTI_COLUMNS = 4


def decode_bin(data: bytes, limits: Limits) -> Cloud:
    """KITTI's raw format: little-endian float32 x, y, z, intensity, without a header.

    Raises:
        CorruptFileError: not a whole number of points.
        LimitExceededError: more points than allowed.
    """
    stride = _KITTI.itemsize * _KITTI_COLUMNS
    if len(data) % stride:
        raise CorruptFileError(
            f"got a .bin frame of {len(data)} bytes, need a multiple of {stride}: "
            "float32 x, y, z, intensity for each point"
        )
    limits.check_points(len(data) // stride)
    return np.frombuffer(data, _KITTI).reshape(-1, _KITTI_COLUMNS)[:, :3]


def split_padded(array: NDArray[Any]) -> list[Cloud]:
    """Frames of `(s, k, 3)`, each without its rows of NaN padding."""
    return [frame[~np.isnan(frame).all(axis=1)] for frame in array]
