"""The file of keys: changed under a lock, whole or not at all, and read again as it changes.

Beside it lies a mark, `keys.json.used`, once keys were made or asked for there. A service that
finds the mark and no key file does not take itself for one without keys (`serve.access.opening`).
"""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from gait.errors import ConfigError, StorageError
from gallery.record.scratch import sync, write_whole
from serve.access.keyring import (
    DAYS,
    OVERLAP_HOURS,
    Grant,
    Issued,
    Key,
    Keyring,
    Renewal,
    utc_now,
)
from serve.access.scopes import Caller

log = logging.getLogger("serve")
Result = TypeVar("Result")
_MARKED = """Access keys were made or used here. Without the key file the service does not start:
it would let in everybody who reaches it. See "Access" in docs/service.md.
"""
LOCK_SECONDS = 10
"""How long a change waits for another process's."""


class KeyFile:
    """A key file. Every request sees the file as it is then: a revoked key ends at once.

    A file that is missing or damaged admits nobody until it is repaired. Keys remembered from
    before could have been revoked by whoever changed it.

    Args:
        path: of the file; a lock lies next to it while it is changed.
        optional: no key is needed as long as there is no file. Once there is one, keys are needed
            for good.
    """

    def __init__(self, path: Path, *, optional: bool = False) -> None:
        self.path = path
        self._needed = not optional
        self._seen: tuple[int, ...] | None = None
        self._keyring: Keyring | None = None

    @property
    def needed(self) -> bool:
        """Whether a request needs a key. A link that leads nowhere counts as a file."""
        if not self._needed and os.path.lexists(self.path):
            self._needed = True
            log.warning("there is a key file now, %s: every request needs a key", self.path)
            try:
                self.mark()
            except StorageError as error:  # the next start marks it
                log.error("%s", error)
        return self._needed

    @property
    def used(self) -> Path:
        """The mark: it is there once keys were made or asked for."""
        return self.path.with_name(f"{self.path.name}.used")

    def mark(self) -> None:
        """Leaves the mark, for good.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            made = os.open(self.used, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "w") as file:
                file.write(_MARKED)
                file.flush()
                os.fsync(file.fileno())
            sync(self.used.parent)
        except FileExistsError:
            return
        except OSError as error:
            raise StorageError(f"cannot write {self.used} ({error.strerror})") from error

    def admits(self, token: str) -> Caller | None:
        """Who sends a token, or None.

        Raises:
            ConfigError: the file cannot be read, see `load`.
        """
        return self._current().admits(token, utc_now())

    def load(self) -> Keyring:
        """Reads the file.

        Raises:
            ConfigError: it cannot be read, is not a key file, holds no key, or others may write it.
        """
        try:
            with self.path.open("rb") as file:
                mode, data = os.fstat(file.fileno()).st_mode, file.read()
        except OSError as error:
            raise ConfigError(
                f"cannot read the key file {self.path} ({error.strerror}); "
                f"make one with `python -m serve.keys new {self.path} --scopes admin`"
            ) from error
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"others may write the key file {self.path}: run `chmod 600` on it")
        try:
            keyring = Keyring.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"{self.path} is not a key file made by serve.keys ({where}: {first['msg']})"
            ) from error
        if not keyring.keys:
            raise ConfigError(
                f"{self.path} holds no key; run `python -m serve.keys new`, see --help"
            )
        return keyring

    def new(self, grant: Grant) -> Issued:
        """Adds a key; the file and its folder are made if there are none.

        Raises:
            ConfigError, StorageError: the file cannot be read or written.
        """
        return self._change(lambda keyring: keyring.new(grant, utc_now()), made=True)

    def rotate(self, key_id: str, overlap_hours: int = OVERLAP_HOURS, days: int = DAYS) -> Issued:
        """Gives a key a new secret, see `Keyring.rotate`.

        Args:
            key_id: of the key.
            overlap_hours: the old secret is taken for so long, 0..MAX_OVERLAP_HOURS.
            days: until the key expires, 1..MAX_DAYS.

        Raises:
            ValidationError: a number is out of its range.
            KeyNotFoundError, KeyStateError: no such key, or it is not valid.
            ConfigError, StorageError: the file cannot be read or written.
        """
        renewal = Renewal(overlap_hours=overlap_hours, days=days)
        overlap, lasts = timedelta(hours=renewal.overlap_hours), timedelta(days=renewal.days)
        return self._change(lambda k: k.rotate(key_id, utc_now(), overlap=overlap, lasts=lasts))

    def revoke(self, key_id: str) -> Key:
        """Ends a key.

        Raises:
            KeyNotFoundError: there is no such key.
            ConfigError, StorageError: the file cannot be read or written.
        """
        return self._change(lambda keyring: keyring.revoke(key_id, utc_now()))

    def _current(self) -> Keyring:
        seen = self._signature()
        if seen == self._seen and self._keyring is not None:
            return self._keyring
        changed, self._seen, self._keyring = seen != self._seen, seen, None
        try:
            self._keyring = self.load()
        except ConfigError as error:
            if changed:
                log.error("no key is accepted until the key file is repaired: %s", error)
            raise
        return self._keyring

    def _signature(self) -> tuple[int, ...]:
        try:
            s = self.path.stat()
        except OSError:
            return ()
        return (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)

    def _change(
        self, edit: Callable[[Keyring], tuple[Keyring, Result]], *, made: bool = False
    ) -> Result:
        with self._locked():
            keyring = Keyring() if made and not self.path.exists() else self.load()
            keyring, result = edit(keyring)
            self._write(keyring)
        return result

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS, mode=0o600, is_singleton=False)
        try:
            self.path.parent.mkdir(0o700, exist_ok=True)  # the lock would make its parents too
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                f"another process has been changing the key file {self.path} for "
                f"{LOCK_SECONDS} s: try again"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, keyring: Keyring) -> None:
        """Writes the file, whole or not at all, readable by its owner alone."""
        try:
            write_whole(self.path.resolve(), f"{keyring.model_dump_json(indent=1)}\n".encode())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write the key file {self.path} ({error.strerror})")
