"""Point clouds without a header: KITTI's `.bin` and its relatives, and padded arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.errors import ClipShapeError, CorruptFileError

Cloud = NDArray[np.floating[Any]]

AXES = ("x", "y", "z")

_FAR = 300.0
"""Metres. No sensor sees a person from further away."""

_SANE = 0.95
"""Part of the points that must be that near."""

_LOOKED_AT = 5_000
"""Points of a frame that are enough to tell its columns."""

_CLEARLY = 0.8
"""A layout with more columns must give points that lie closer together by this factor."""

_NARROWEST, _BROADEST = 0.1, 5.0
"""Metres. What spreads less, or further than this, about its middle is no person."""


@dataclass(frozen=True)
class Columns:
    """How many numbers of which type a point of a `.bin` file has; the first three are x, y, z."""

    count: int
    dtype: str

    @property
    def stride(self) -> int:
        """Bytes of a point."""
        return self.count * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.count} of {np.dtype(self.dtype).name}"


# In the order of preference: KITTI's own layout first.
_KNOWN = tuple(
    Columns(count, dtype) for dtype in ("<f4", "<f8") for count in (4, 3, 5, 6, 7, 8)
)  # fmt: skip


def decode_bins(
    files: Sequence[bytes], limits: Limits, columns: int | None = None
) -> tuple[list[Cloud], Columns]:
    """Little-endian float32 or float64 numbers without a header: x, y, z and others.

    How many numbers a point has is found from all frames together: only read in the right layout
    do their points lie as close together as those of one person.

    Args:
        files: the frames.
        limits: caps on the points of each.
        columns: numbers of a point, if known.

    Raises:
        CorruptFileError: not a whole number of points.
        ClipShapeError: no layout gives the points of a person.
        LimitExceededError: more points than allowed.
    """
    sizes = {len(data) for data in files}
    fitting = [
        known
        for known in _KNOWN
        if columns in (None, known.count) and not any(size % known.stride for size in sizes)
    ]
    if not fitting:
        wanted = "3 to 8" if columns is None else str(columns)
        raise CorruptFileError(
            f"got a .bin frame of {max(sizes)} bytes, need a multiple of {wanted} numbers of 4 or "
            "8 bytes: x, y, z and others of each point"
        )
    limits.check_points(max(sizes) // max(known.stride for known in fitting))
    if max(sizes) == 0:
        return [np.empty((0, 3), np.float32) for _ in files], fitting[0]
    found = _likeliest(files, fitting)
    limits.check_points(max(sizes) // found.stride)
    clouds = [np.frombuffer(data, found.dtype).reshape(-1, found.count)[:, :3] for data in files]
    return list(clouds), found


def _likeliest(files: Sequence[bytes], fitting: Sequence[Columns]) -> Columns:
    best, least = None, np.inf
    for layout in fitting:
        spread = _spread(files, layout)
        if _NARROWEST < spread < (least * _CLEARLY if best else _BROADEST):
            best, least = layout, spread
    if best is None:
        raise ClipShapeError(
            "got .bin frames whose numbers are no points of a person in metres, in none of 3 to 8 "
            "columns of float32 or float64; save the points as .npy or .pcd"
        )
    return best


def _spread(files: Sequence[bytes], layout: Columns) -> float:
    """Metres about the middle of each axis in which most points lie; infinite for nonsense."""
    spreads = []
    for data in files[:: max(1, len(files) // 8)]:
        count = min(len(data) // layout.stride, _LOOKED_AT)
        numbers = np.frombuffer(data, layout.dtype, count * layout.count)
        points = numbers.reshape(-1, layout.count)[:, :3]
        points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)].astype(np.float64)
        if not len(points):
            continue
        sane = np.abs(points).max(axis=1) < _FAR
        if sane.mean() < _SANE:
            return np.inf
        points = points[sane]
        spreads.append(float(np.abs(points - np.median(points, axis=0)).mean(axis=0).sum()))
    return float(np.median(spreads)) if spreads else np.inf


def fields_xyz(records: NDArray[Any]) -> Cloud:
    """The `(k, 3)` float64 points of records with fields x, y and z."""
    return np.stack([records[axis].astype(np.float64) for axis in AXES], axis=1)


def split_padded(array: NDArray[Any]) -> list[Cloud]:
    """Frames of `(s, k, 3)`, each without its rows of NaN padding."""
    return [frame[~np.isnan(frame).all(axis=1)] for frame in array]
