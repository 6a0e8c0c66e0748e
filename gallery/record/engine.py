"""Connections to the database of a record: SQLite or PostgreSQL, with this project's errors."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gait.errors import (
    ConfigError,
    GaitError,
    GalleryCorruptError,
    GalleryLockedError,
    GalleryNotFoundError,
    StorageError,
    StorageUnavailableError,
)
from gallery.record.location import Folder, Location, Postgres

_PATIENCE = 10
"""Seconds to wait for other processes."""
_CONNECTIONS = 32
_PRAGMAS = (
    "PRAGMA page_size = 8192",  # of a new file: the largest embedding then takes two pages
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit that returned survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # deleted rows are overwritten with zeros
    "PRAGMA temp_store = MEMORY",  # no page goes to a file of its own
    f"PRAGMA busy_timeout = {1000 * _PATIENCE}",
)


_SESSION = (
    f"lock_timeout={_PATIENCE}s",
    "idle_in_transaction_session_timeout=60s",  # a process that is gone must not stop the others
)


def open_engine(location: Location, *, readonly: bool = False) -> Engine:
    """An engine whose connections are in autocommit; `transaction` begins one explicitly.

    Args:
        location: of the gallery, or the database itself.
        readonly: let the database refuse every write.

    Raises:
        ConfigError: the extra for PostgreSQL is not installed.
    """
    if isinstance(location, Folder):
        return sqlite_engine(location.database, readonly=readonly)
    return _postgres_engine(location, readonly=readonly)


def sqlite_engine(path: Path, *, readonly: bool = False) -> Engine:
    """An engine for an SQLite file that is there, in WAL mode, for its owner alone."""
    engine = create_engine(
        make_url("sqlite://").set(database=str(path)),
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": _PATIENCE, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        # Text that is none makes its own row unreadable, and not every query that meets it.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        for pragma in _PRAGMAS[1:] if readonly else _PRAGMAS:
            connection.execute(pragma)
        if readonly:
            connection.execute("PRAGMA query_only = ON")

    return engine


def create_file(path: Path) -> None:
    """An empty file that its owner alone may read, whatever the umask."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    path.chmod(0o600)


def which_file(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to now, None for none: SQLite goes on with a file that was moved or
    removed, and what is written to it then is lost.

    Raises:
        StorageError: that cannot be found out.
    """
    try:
        file = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot look at {path} ({error.strerror})") from error
    return file.st_dev, file.st_ino


def private_folder(path: Path) -> None:
    """A folder and what is missing above it, for their owner alone; what is there stays."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """All or nothing: durable at the end of the block, nothing on any error."""
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                if connection.connection.in_transaction:  # a full disk has rolled it back already
                    connection.exec_driver_sql("ROLLBACK")
                raise
        else:
            with connection.execution_options(isolation_level="READ COMMITTED").begin():
                yield connection


@contextmanager
def one_moment(engine: Engine) -> Iterator[Connection]:
    """Several reads that see one and the same moment."""
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("COMMIT")
        else:
            with connection.execution_options(isolation_level="REPEATABLE READ").begin():
                yield connection


def finish_erasure(engine: Engine) -> None:
    """Leaves as little of what was just overwritten and deleted as the database allows.

    SQLite: its log, which still holds pages as they were, is emptied. PostgreSQL: the rows that
    were replaced are vacuumed; its write-ahead log goes when PostgreSQL recycles it.

    Raises:
        StorageError: the disk is full, or another process reads SQLite's log for too long.
    """
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            deadline = time.monotonic() + _PATIENCE
            while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                # SQLite waits for readers, but not while somebody else empties the log
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"{engine.url.database} is erased but for its log, which another process "
                        "reads: the next erasure or opening empties it"
                    )
                time.sleep(0.01)
        else:
            schema = engine.get_execution_options()["schema_translate_map"][None]
            quoted = engine.dialect.identifier_preparer.quote(schema)
            for table in ("subject_keys", "embeddings", "templates"):
                connection.execute(text(f"VACUUM {quoted}.{table}"))


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turns the database's errors into this project's."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translation(error, engine) from error


def _postgres_engine(location: Postgres, *, readonly: bool) -> Engine:
    set_up = [*_SESSION, *(["default_transaction_read_only=on"] if readonly else [])]
    try:
        engine = create_engine(
            location.url,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": _PATIENCE,
                "tcp_user_timeout": 1000 * _PATIENCE,  # of a machine that has gone without a word
                "keepalives_idle": _PATIENCE,
                "keepalives_interval": 1,
                "keepalives_count": _PATIENCE,
                "options": " ".join(f"-c {setting}" for setting in set_up),
            },
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigError(
            "galleries in PostgreSQL need psycopg: pip install 'diffcrossgait[postgres]'"
        ) from error
    if location.gallery is None:
        return engine
    return engine.execution_options(schema_translate_map={None: location.schema})


def _translation(error: SQLAlchemyError, engine: Engine) -> GaitError:
    original: Any = error.orig if isinstance(error, DBAPIError) else None
    where = engine.url.render_as_string(hide_password=True)
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, str(engine.url.database))
    state = str(getattr(original, "sqlstate", None) or "")
    if state == "53100":
        return StorageError(f"no space left for {where}: nothing was written; free some space")
    if state[:2] in ("58", "XX"):
        return StorageError(
            f"{where} failed ({_line(original)}): nothing was written; look at its log"
        )
    if state == "55P03":
        return GalleryLockedError(f"another process keeps {where} busy: try again")
    if state in ("25006", "42501"):
        return StorageError(f"{where} refuses the change ({_line(original)}): check the role")
    if state.startswith(("42P01", "3F000")):
        return GalleryNotFoundError(f"{where} holds no such gallery any more ({_line(original)})")
    return StorageUnavailableError(
        f"{where} cannot be reached or refused ({_line(original or error)}): nothing is known to "
        "have been written; try again"
    )


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300]


def _of_sqlite(error: sqlite3.Error, path: str) -> GaitError:
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
