"""Writing a file so that a crash leaves the old one or the new one, never half of it."""

import os
from contextlib import suppress
from pathlib import Path

from gait.errors import StorageError


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Writes under a temporary name, flushes to the disk, renames.

    Raises:
        StorageError: the disk is full or the folder cannot be written; an old file is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {path} ({error.strerror}): free space or make the folder writable, "
            "then run the same command again; what was saved before is intact",
            path=str(path),
        ) from error


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
