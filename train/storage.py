"""Writing a file so that a crash leaves the old one or the new one, never half of it."""

import os
from contextlib import suppress
from pathlib import Path

from gait.errors import StorageError


def require_place(path: Path | None) -> None:
    """Makes sure, before long work, that its result can be written there; makes the folder.

    Args:
        path: of the file; None if none is wanted.

    Raises:
        StorageError: it is a folder, or may not be written, or lies where no folder can be.
    """
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path} ({error.strerror})", path=str(path)) from error
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder", path=str(path))
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StorageError(f"cannot write {path}: not allowed here", path=str(path))


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Writes under a temporary name, flushes to the disk, renames.

    What is no regular file, such as a pipe or /dev/null, is written to as it is.

    Raises:
        StorageError: the disk is full or the folder cannot be written; an old file is untouched.
    """
    partial = path
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path = Path(os.path.realpath(path))  # a link goes on pointing where it does
        partial = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        if partial != path:
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
