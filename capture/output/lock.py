"""One capture writes into a folder of results; the lock goes with the process, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gait.errors import CaptureStateError, StorageError

LOCK = ".lock"
"""Stays in the folder, empty: a lock whose file is deleted would no longer be one."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Keeps other captures out of a folder of results, which is made if needed.

    Args:
        folder: of the results.

    Raises:
        CaptureStateError: another capture is writing there.
        StorageError: nothing can be written there.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise CaptureStateError(
            f"another capture is writing here: {folder}; wait until it has ended, or give another "
            "folder by --out"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot write into {folder} ({error.strerror}); give another folder by --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
