"""Folders for what is not whole yet, beside where it will be.

A process that is killed leaves its folder behind, with keys and templates in it. So all of them
have one kind of name, each is locked while its process lives, and whoever comes next to the same
place removes those that nobody holds.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NAME = ".gait-unfinished-"
_PATIENCE = 3.0
"""Seconds to wait for the lock of a parent."""
_BEFORE = ".deleted-"
"""What removing a gallery left in earlier versions, which locked nothing."""


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in another one for its owner alone, which is removed when the block ends.

    Those that killed processes have left there are removed first.

    Raises:
        OSError: it cannot be made or removed.
    """
    with _opened(parent) as around:
        if _lock_soon(around):  # nobody takes the new folder for left before it is locked
            _clear(parent)
        folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        own = os.open(folder, os.O_RDONLY)
        _lock(own)
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        finally:
            os.close(own)  # not before: who comes next would remove it too


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for writing, that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file:
        yield file


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file, durable, in the place of one that may be there: whole or not at all, and for
    its owner alone.

    Raises:
        OSError: it cannot be written.
    """
    with scratch_folder(path.parent) as made:
        new = made / path.name
        with new_file(new) as file:
            file.write(data)
        sync(new)
        new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Waits until a file, or a change of names in a folder, is on the disk."""
    with _opened(path) as handle:
        os.fsync(handle)


def clear_leftovers(parent: Path, *, also_before: bool = False) -> None:
    """Removes what killed processes have left in a folder, as far as that can be done.

    Args:
        parent: of what was left. Nothing is done while somebody else holds its lock.
        also_before: it holds galleries alone, so what earlier versions left is ours, too.
    """
    with suppress(OSError), _opened(parent) as around:
        fcntl.flock(around, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(parent, also_before=also_before)


def _clear(parent: Path, *, also_before: bool = False) -> None:
    names = (_NAME, _BEFORE) if also_before else (_NAME,)
    for left in [each for name in names for each in parent.glob(f"{name}*")]:
        with suppress(OSError), _opened(left) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


def _lock_soon(handle: int) -> bool:
    """Whether the lock was to be had within some seconds: `flock FOLDER COMMAND` holds it, too."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        except OSError:  # a disk without locks, where nothing is ever taken for left either
            return True


def _lock(handle: int) -> None:
    """Waits for the lock; where a disk knows none, nothing is ever taken for left either."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)
