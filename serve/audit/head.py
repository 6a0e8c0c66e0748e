"""The head: how many records there must be and the hash of the last, in a file of its own.

Cutting records off the end of a chain leaves a chain that looks whole; the head tells. It is
written after the record: a crash between the two leaves a head that is one behind, never ahead.
Two slots are used in turn, so that a torn write leaves the one before.
"""

import fcntl
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gait.errors import AuditBrokenError, StorageError
from serve.audit.record import Keys, Mark

SLOT = 256
"""Bytes of one slot: JSON, then spaces, then a line end."""


class HeadFile:
    """The head of one chain. Its file also is the lock between the processes that write.

    Raises:
        StorageError: the file cannot be made or opened.
    """

    def __init__(self, path: Path, keys: Keys) -> None:
        self.path, self._keys = path, keys
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"cannot open {path} ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from writing to the chain."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def read(self) -> Mark | None:
        """The head; None if the file is new."""
        return parse(os.pread(self._file, 2 * SLOT, 0), self._keys, self.path)

    def write(self, mark: Mark) -> None:
        """Sets the head, durably.

        Raises:
            StorageError: the disk refused.
        """
        text = json.dumps({"sequence": mark.sequence, "hash": mark.hash})
        slot = json.dumps({"head": text, "mac": self._keys.head(text)}).ljust(SLOT - 1) + "\n"
        try:
            os.pwrite(self._file, slot.encode(), SLOT * (mark.sequence % 2))
            os.fdatasync(self._file)
        except OSError as error:
            raise StorageError(f"cannot write {self.path} ({error.strerror})") from error


def read_head(path: Path, keys: Keys) -> Mark | None:
    """The head in a file that is only looked at; None if it is missing or empty.

    Raises:
        AuditBrokenError: no slot is authentic.
    """
    return parse(path.read_bytes()[: 2 * SLOT], keys, path) if path.is_file() else None


def parse(data: bytes, keys: Keys, path: Path) -> Mark | None:
    """The later of the two slots' heads.

    Raises:
        AuditBrokenError: there is something, but nothing authentic.
    """
    marks = [_slot(data[start : start + SLOT], keys) for start in (0, SLOT)]
    found = [mark for mark in marks if mark is not None]
    if not found and data.strip(b"\0"):
        raise AuditBrokenError(
            f"{path} is not authentic: altered, or written with another master key"
        )
    return max(found, key=lambda mark: mark.sequence, default=None)


def _slot(data: bytes, keys: Keys) -> Mark | None:
    try:
        slot = json.loads(data)
        text, mac = str(slot["head"]), str(slot["mac"])
        if not hmac.compare_digest(keys.head(text).encode(), mac.encode()):
            return None
        return Mark(**json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
