"""Folders of point clouds: plain ones, and those of KITTI and nuScenes."""

import re
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from pathlib import Path, PurePath

import numpy as np

from capture.source.scan import USUAL_RATE, Scan, usable
from gait.decode import npy
from gait.decode.archive import natural_key
from gait.decode.arrays import Layout, cloud_of, layout
from gait.decode.limits import Limits
from gait.decode.points.cloud import Cloud
from gait.decode.points.las import decode_las
from gait.decode.points.pcd import decode_pcd
from gait.decode.points.ply import decode_ply
from gait.errors import ClipShapeError, CorruptFileError, GaitError, LayoutError

ENDINGS = (".pcd", ".bin", ".npy", ".ply", ".las")
LIMITS = Limits(max_points=4_000_000, max_bytes=1 << 28)
"""Of one scan of a whole scene."""

_KITTI = ("velodyne_points/data", "velodyne")
_NUSCENES = ("sweeps/LIDAR_TOP", "samples/LIDAR_TOP")
_STAMP = re.compile(r"__(\d{16})\.pcd\.bin$")
_TIMES = ("timestamps.txt", "times.txt")


class CloudFolder:
    """A folder of clouds in natural order of their names, one a scan.

    Times are those of KITTI's `timestamps.txt` or `times.txt`, or of nuScenes' names; without
    either there are ten scans a second.

    Args:
        folder: of clouds, or of a recording of KITTI or nuScenes.
        columns: numbers of each point of `.bin` files: 4 if None, 5 in nuScenes' files.

    Raises:
        LayoutError: there are no clouds, or not a time for each of them.
    """

    def __init__(self, folder: Path, columns: int | None = None) -> None:
        self._files = _files(folder)
        if not self._files:
            raise LayoutError(f"{folder} holds no point clouds ({' '.join(ENDINGS)})")
        self.name = folder.name
        self.count: int | None = len(self._files)
        self._columns = columns
        self._times = _times(folder, self._files)

    def scans(self) -> Iterator[Scan]:
        """The scans; a damaged file is left out.

        Raises:
            CorruptFileError: not one of them can be read.
        """
        read, damaged = 0, None
        for index, (path, seconds) in enumerate(zip(self._files, self._times, strict=True)):
            try:
                points = usable(read_cloud(path, self._columns))
            except GaitError as error:
                damaged = error
                continue
            read += 1
            yield Scan(index, seconds, points)
        if not read:
            raise CorruptFileError(f"no cloud of {self.name} can be read: {damaged}")


def is_cloud_folder(folder: Path) -> bool:
    """Whether a folder holds point clouds."""
    return bool(_files(folder))


def read_cloud(path: Path, columns: int | None = None) -> Cloud:
    """The `(k, 3)` points of a file, by its ending.

    Raises:
        DecodeError, ClipError: it cannot be read.
    """
    LIMITS.check_bytes(path.stat().st_size)
    return cloud_in(path, path.read_bytes(), columns, LIMITS)


def cloud_in(path: PurePath, data: bytes, columns: int | None, limits: Limits) -> Cloud:
    """The `(k, 3)` points in the bytes of a file, by its ending.

    Raises:
        DecodeError, ClipError: they cannot be read.
    """
    if path.suffix == ".bin":
        return _bin(path, data, columns)
    if path.suffix == ".npy":
        header = npy.read_header(data)
        if layout(header) is not Layout.CLOUD:
            raise ClipShapeError(f"{path.name} holds an array of shape {header.shape}, need points")
        return cloud_of(npy.read_array(data, header))
    decode = {".pcd": decode_pcd, ".ply": decode_ply, ".las": decode_las}[path.suffix.lower()]
    return decode(data, limits)


def _bin(path: PurePath, data: bytes, columns: int | None) -> Cloud:
    numbers = columns or (5 if path.name.endswith(".pcd.bin") else 4)
    if len(data) % (4 * numbers):
        raise CorruptFileError(
            f"{path.name} has {len(data)} bytes, no multiple of {numbers} numbers of 4 bytes; give "
            "the numbers of a point by --columns"
        )
    return np.frombuffer(data, "<f4").reshape(-1, numbers)[:, :3]


def _files(folder: Path) -> list[Path]:
    inner = [folder / name for name in _KITTI if (folder / name).is_dir()][:1]
    inner = inner or [folder / name for name in _NUSCENES if (folder / name).is_dir()] or [folder]
    found = [
        path
        for each in inner
        for path in each.iterdir()
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda path: _order(path.name))


def _order(name: str) -> tuple[int, tuple[list[tuple[int, int, str]], str]]:
    stamp = _STAMP.search(name)
    return int(stamp[1]) if stamp else 0, natural_key(name)


def _times(folder: Path, files: list[Path]) -> list[float]:
    stamps = [_STAMP.search(path.name) for path in files]
    if all(stamps):
        micro = [int(stamp[1]) for stamp in stamps if stamp]
        return [(each - micro[0]) / 1e6 for each in micro]
    for name in _TIMES:
        for path in (files[0].parent.parent / name, folder / name):
            if path.is_file():
                if (found := _of_files(times := _kitti_times(path), files)) is not None:
                    return found
                if times and path.is_relative_to(folder):  # one beside may be of something else
                    raise LayoutError(
                        f"{path} has {len(times)} times for {len(files)} clouds, need one for "
                        f"each; without this file {USUAL_RATE:g} clouds a second are assumed"
                    )
    return [index / USUAL_RATE for index in range(len(files))]


def _of_files(times: list[float], files: list[Path]) -> list[float] | None:
    """The line of each file; of a recording that lacks some of them, by their numbers."""
    if len(times) == len(files):
        return times
    numbers = [int(file.stem) for file in files if file.stem.isdecimal()]
    whole = len(numbers) == len(files) and max(numbers) < len(times)
    return [times[number] for number in numbers] if whole else None


def _kitti_times(path: Path) -> list[float]:
    """Seconds since the first line, of seconds or of dates with nanoseconds."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        if lines and ":" in lines[0]:
            moments = [datetime.fromisoformat(line[:26]).timestamp() for line in lines]
        else:
            moments = [float(line) for line in lines]
        if not all(map(isfinite, moments)):
            raise ValueError("one is not finite")
    except ValueError as error:
        raise LayoutError(f"{path} holds no times: {error}") from error
    return [moment - moments[0] for moment in moments] if moments else []
