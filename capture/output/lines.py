"""A text file that only grows, and that an interrupted capture cuts back to where it was saved."""

import os
from pathlib import Path

from gait.errors import CaptureStateError


class Lines:
    """Lines on disk.

    Args:
        path: of the file.
        kept: bytes of it that are kept, of what an interrupted capture wrote.

    Raises:
        CaptureStateError: it has fewer bytes than are kept.
    """

    def __init__(self, path: Path, kept: int = 0) -> None:
        path.touch()
        if (size := path.stat().st_size) < kept:
            raise CaptureStateError(
                f"{path} has {size} bytes, need the {kept} that an interrupted capture saved; "
                "delete the folder of the results and capture anew"
            )
        os.truncate(path, kept)
        self._file = path.open("a", newline="", encoding="utf-8")

    def write(self, text: str) -> None:
        """Appends whole lines."""
        self._file.write(text)

    def save(self) -> int:
        """Makes sure that all is on the disk.

        Returns:
            Bytes of the file.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Ends it."""
        self._file.close()
