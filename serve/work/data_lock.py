"""One service has a data folder; the lock goes with the process, however it ends."""

from pathlib import Path

from filelock import FileLock, Timeout

from gait.errors import GalleryLockedError, StorageError


def data_lock(folder: Path) -> FileLock:
    """Takes the lock of a data folder, to be released by the caller.

    Raises:
        GalleryLockedError: another service has it.
        StorageError: the folder cannot be written.
    """
    lock = FileLock(folder / "lock", timeout=0, thread_local=False, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise GalleryLockedError(
            f"another service has {folder}: stop it, or use its API"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot lock {folder}: {error}") from error
    return lock
