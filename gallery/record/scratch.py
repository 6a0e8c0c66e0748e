"""Folders for what is not whole yet, beside where it will be.

A process that is killed leaves its folder behind, with keys and templates in it. So all of them
have one kind of name, each is locked while its process lives, and whoever comes next to the same
place removes those that nobody holds.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NAME = ".gait-unfinished-"
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
        _lock(around)  # nobody takes the new folder for left before it is locked
        _clear(parent)
        folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=parent))
        own = os.open(folder, os.O_RDONLY)
        _lock(own)
    try:
        yield folder
    finally:
        os.close(own)
        shutil.rmtree(folder)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for writing, that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file:
        yield file


def clear_leftovers(parent: Path) -> None:
    """Removes what killed processes have left in a folder, as far as that can be done."""
    with suppress(OSError), _opened(parent) as around:
        _lock(around)
        _clear(parent)


def _clear(parent: Path) -> None:
    for left in (*parent.glob(f"{_NAME}*"), *parent.glob(f"{_BEFORE}*")):
        with suppress(OSError), _opened(left) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


def _lock(handle: int) -> None:
    """Waits for the lock; where a disk knows none, nothing is ever taken for left either."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)
