"""SQLite with this project's durability and errors."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gait.errors import GaitError, GalleryCorruptError, GalleryLockedError, StorageError

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit that returned survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # deleted rows are overwritten with zeros
    "PRAGMA temp_store = MEMORY",  # no page goes to a file of its own
)

T = TypeVar("T")
_PATIENCE = 10_000
"""Milliseconds to wait for other processes."""
_MOST_VALUES = 10_000
"""Values in one query; SQLite takes 32,766."""


def portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in as many parts as there have to be queries."""
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]


def marks(values: Sequence[object]) -> str:
    """As many question marks as there are values, for `IN (…)`."""
    return ", ".join("?" * len(values))


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Opens a database in WAL mode, in autocommit: transactions are begun explicitly.

    The connection may be used by several threads, one at a time: the caller holds a lock.

    Args:
        path: the database file.
        readonly: refuse every write through this connection.

    Raises:
        GalleryCorruptError: the file is not a database.
        StorageError: it cannot be opened.
    """
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=_PATIENCE / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            if readonly:
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """All or nothing: commits durably at the end of the block, rolls back on any error."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise


def empty_log(connection: sqlite3.Connection, path: Path, *, wait: bool) -> bool:
    """Moves what the log has into the database and cuts the log to nothing.

    Args:
        connection: outside of a transaction.
        path: of the database, for errors.
        wait: if others are reading, wait ten seconds for them, else do what can be done at once.

    Returns:
        Whether the log is empty; others that read keep it from being so.
    """
    with translated(path):
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE if wait else 0}")
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    return not busy


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Several reads that see one and the same moment."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("COMMIT")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into this project's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path) from error


def _translation(error: sqlite3.Error, path: Path) -> GaitError:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte is the primary code
        case sqlite3.SQLITE_FULL:
            return StorageError(f"no space left for {path}: nothing was written; free some space")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StorageError(f"cannot open {path} for writing ({error}): check its permissions")
        case sqlite3.SQLITE_IOERR:
            return StorageError(f"reading or writing {path} failed ({error}): check the disk")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return GalleryLockedError(f"another process keeps {path} busy: try again")
        case _:
            return GalleryCorruptError(
                f"{path} is damaged or not a gallery's database ({error}): restore a backup"
            )
