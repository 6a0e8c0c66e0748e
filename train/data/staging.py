"""A folder that exists whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gait.errors import PackError, StorageError


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A hidden folder that becomes `out` when all goes well and vanishes when it does not.

    A killed run leaves it under its hidden name; the next one to the same place removes that.

    Raises:
        PackError: `out` exists, or another process is making it.
        StorageError: the disk is full or the folder cannot be written.
    """
    part = out.absolute().with_name(f".{out.absolute().name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with _lock(out):
            if out.exists():
                raise PackError(f"{out} exists; remove it or give another --out")
            shutil.rmtree(part, ignore_errors=True)  # what a killed run left
            part.mkdir()
            try:
                yield part
                part.rename(out)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    except OSError as error:
        raise StorageError(f"cannot write the pack {out}: {error}; nothing was left") from error


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Keeps a second process from packing to the same place; a killed holder frees it."""
    file = out.absolute().with_name(f".{out.absolute().name}.lock")
    try:
        with FileLock(file, timeout=0):
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
    except Timeout as error:
        raise PackError(f"another process is packing to {out}") from error
