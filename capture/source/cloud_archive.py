"""A zip of point clouds in memory as a recording of a LiDAR."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from capture.source.cloud_folder import ENDINGS, cloud_in
from capture.source.scan import USUAL_RATE, Scan, usable
from gait.decode.archive import Archive
from gait.decode.limits import Limits
from gait.errors import LayoutError


class CloudArchive:
    """The clouds of a zip in natural order of their names, one a scan, ten a second.

    Args:
        data: the zip.
        limits: caps on its sizes.

    Raises:
        DecodeError: it cannot be read, or is larger than allowed.
        LayoutError: there is no cloud in it.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._limits, self._files = limits, Archive(data, limits)
        paths = [PurePosixPath(name) for name in self._files.names]
        self._entries = [row for row, path in enumerate(paths) if path.suffix.lower() in ENDINGS]
        if not self._entries:
            raise LayoutError(f"the zip holds no point clouds ({' '.join(ENDINGS)})")
        limits.check_frames(len(self._entries))
        self.name = "archive"
        self.count: int | None = len(self._entries)

    def scans(self) -> Iterator[Scan]:
        """The scans.

        Raises:
            DecodeError, ClipError: one cannot be read.
        """
        for index, row in enumerate(self._entries):
            path = PurePosixPath(self._files.names[row])
            cloud = cloud_in(path, self._files.read(row), None, self._limits)
            self._limits.check_points(len(cloud))
            yield Scan(index, index / USUAL_RATE, usable(cloud))
