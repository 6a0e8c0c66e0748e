"""The records in one SQLite file, each bound to the one before. Nothing is answered unrecorded.

Beside the records lies the head: the number and hash of the last, authenticated, and changed in the
same transaction. Without it, records cut off the end would leave a log that looks whole.
"""

import logging
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from gait.errors import (
    AuditBrokenError,
    AuditNotFoundError,
    AuditUnavailableError,
    GaitError,
    StorageError,
)
from gallery.record.engine import which_file
from gallery.record.master_key import MasterKey
from gallery.record.scratch import sync
from serve.audit.key import FILE as KEY_FILE
from serve.audit.key import AuditKey, load_key
from serve.audit.record import GENESIS, Action, AuditEntry, Outcome, Record, seal

log = logging.getLogger("serve")
FILE = "audit.db"
_TABLES = (
    "CREATE TABLE records (sequence INTEGER PRIMARY KEY, text TEXT, hash TEXT) STRICT",
    "CREATE TABLE head (sequence INTEGER, hash TEXT, mac TEXT) STRICT",
    "INSERT INTO head VALUES (0, '', '')",
)
_LAST = """SELECT r.sequence, r.text, r.hash, h.sequence, h.hash, h.mac FROM head h LEFT JOIN
    records r ON r.sequence = (SELECT MAX(sequence) FROM records)"""
_UNSETTLED = """text ->> '$.outcome' = 'intended' AND sequence NOT IN (
    SELECT text ->> '$.intent' FROM records WHERE text ->> '$.intent' IS NOT NULL)"""
_OLDER = f"""sequence < (SELECT MIN(s) FROM (SELECT MAX(sequence) AS s FROM records
    UNION SELECT sequence FROM records WHERE text ->> '$.time' >= ? OR ({_UNSETTLED})))"""
"""Before the first record that is not older, and neither the last nor a change under way."""
_PATIENCE = 10.0
"""Seconds to wait for other processes that write."""
_TRIED = 2.0
"""Seconds for which it is believed that records can be written, once one could."""
_AS_LONG_AS = "x" * 8192
"""Stands for the records of some requests, when it is tried whether they could be written."""
_AUDIT_ID = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]{16}")
Row = tuple[int, str, str]
"""Number, text and hash of a record as they lie in the file."""


class AuditLog:
    """An open log. Methods may be called from several threads, and several processes may write.

    A change (an enrolment, a removal) is recorded twice: `intended` before it and its outcome after
    it. An outcome that could not be written is kept and written before anything else; if the
    process ends first, `open` records that the outcome is unknown.

    Args:
        folder: that holds `audit.db`.
        key: of its records.

    Raises:
        AuditBrokenError: there is no such file, or it does not end where its head says.
        StorageError: the file cannot be opened.
    """

    def __init__(self, folder: Path, key: AuditKey) -> None:
        self.path, self.key = folder / FILE, key
        self._owed: list[Record] = []
        self._writing = threading.Lock()
        self._tried = float("-inf")
        self._file = which_file(self.path)
        if self._file is None:
            raise AuditBrokenError(f"{self.path} is gone{_WHAT_TO_DO}")
        self._db = _connect(self.path)
        try:
            self.last()
        except GaitError:
            self._db.close()
            raise

    @classmethod
    def open(cls, folder: Path, master: MasterKey) -> Self:
        """Opens the log of a service, or begins one, and settles what a crash left open.

        One service at a time: the caller has the lock of the data folder. Commands may write to
        the log meanwhile.

        Raises:
            AuditBrokenError: records are gone, or do not end where the head says.
            StorageError: the folder cannot be written.
        """
        key, begun = load_key(folder, master)
        if not begun:
            key.save(folder, master, begun=False)
            _begin(folder / FILE, key)
            key.save(folder, master, begun=True)
        audit = cls(folder, key)
        audit.settle()
        return audit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. No method may be called afterwards."""
        with self._writing:
            self._db.close()

    def write(self, record: Record) -> AuditEntry:
        """Records a use. It is on the disk when this returns.

        Raises:
            AuditUnavailableError: it could not be written; no result of the use may leave, and
                nothing that was only intended may happen.
        """
        (entry,) = self.write_together([record])
        return entry

    def write_together(self, records: Sequence[Record]) -> list[AuditEntry]:
        """Records uses, all or none; see `write`."""
        with self._writing:
            try:
                with self._transaction():
                    entries = self._append([*self._owed, *records])
            except BaseException as error:
                log.error("audit records cannot be written: %s", error)
                if not isinstance(error, GaitError):
                    # A defect of one of them, which would come again: what is owed is settled as
                    # unknown at the next start.
                    self._owed.clear()
                else:  # of the disk
                    self._owed += [each for each in records if each.intent is not None]
                    problem = f"the use cannot be recorded: {error}"
                    raise AuditUnavailableError(problem) from error
                raise
            written = entries[len(self._owed) :]
            self._owed.clear()
        return written

    def check(self) -> None:
        """Makes sure that a use could be recorded; tried at most once in `_TRIED` seconds.

        Raises:
            AuditUnavailableError: it could not.
        """
        with self._writing:
            if time.monotonic() - self._tried < _TRIED:
                return
            try:
                with self._transaction():
                    self._last()
                    # Pages are written all the same. On a full disk a small change may still fit
                    # into what the file has left.
                    self._db.execute("INSERT INTO records VALUES (-1, ?, '')", (_AS_LONG_AS,))
                    self._db.execute("DELETE FROM records WHERE sequence = -1")
            except GaitError as error:
                raise AuditUnavailableError(f"no use can be recorded: {error}") from error
            self._tried = time.monotonic()

    def last(self) -> AuditEntry:
        """The newest record: keep its hash elsewhere.

        Raises:
            AuditBrokenError: it is not the one that the head names.
        """
        with self._writing, self._transaction():
            return self._last()

    def find(self, audit_id: str) -> AuditEntry:
        """The record with an audit id.

        Raises:
            AuditNotFoundError: there is none with this id, or not any more.
        """
        matched = _AUDIT_ID.fullmatch(audit_id)
        for entry in self.select("sequence = ?", (int(matched[1]),)) if matched else ():
            if entry.audit_id == audit_id:
                return entry
        raise no_record()

    def select(self, where: str, values: Sequence[Any] = (), limit: int = -1) -> list[AuditEntry]:
        """Records that fulfil an SQL condition on `sequence` and `text`, in their order.

        Raises:
            AuditBrokenError: one of them is not authentic.
        """
        found = list(rows(self.path, where, values, limit))
        return [self._entry(text, hashed) for _, text, hashed in found]

    def settle(self) -> int:
        """Records an unknown outcome for every change whose outcome was never recorded."""
        unknown = [
            Record(**dict(each) | {"outcome": Outcome.UNKNOWN, "intent": each.sequence})
            for each in self.select(_UNSETTLED)
        ]
        if unknown:
            with self._writing, self._transaction():
                self._append(unknown)
        return len(unknown)

    def retire(self, before: datetime) -> int:
        """Deletes records older than a moment, and records the last of them with its hash.

        The last record of all stays, and so does every change whose outcome is not known yet.

        Returns:
            How many records went.
        """
        with self._writing, self._transaction():
            found = list(rows(self.path, _OLDER, (before.isoformat(timespec="microseconds"),)))
            if found:
                number, _, hashed = found[-1]
                self._append([local_record(Action.RETIRE, about=number, detail=hashed)])
                self._db.execute("DELETE FROM records WHERE sequence <= ?", (number,))
        return len(found)

    def backup(self, out: Path) -> None:
        """Copies records and key as they are now into a new folder, which verifies by itself.

        Raises:
            StorageError: it is there already, or cannot be written.
        """
        try:
            out.mkdir(mode=0o700)
            (out / FILE).touch(0o600)
            shutil.copy(self.path.with_name(KEY_FILE), out)
            with self._writing, translated(out / FILE):
                self._db.execute("VACUUM INTO ?", (str(out / FILE),))
            sync(out / FILE)
            sync(out)
        except OSError as error:
            raise StorageError(f"cannot make the copy {out} ({error.strerror})") from error

    def _append(self, records: Sequence[Record]) -> list[AuditEntry]:
        last = self._last()
        return _insert(self._db, records, last.sequence, last.hash, self.key)

    def _last(self) -> AuditEntry:
        row, text, hashed, *head, mac = self._db.execute(_LAST).fetchone() or (None,) * 6
        if not self.key.authentic(head_text(*head), mac) or [row, hashed] != head:
            raise AuditBrokenError(
                f"{self.path} ends at record {row}, and its head says {head[0]}: records were cut "
                f"off or added, or the head was altered{_WHAT_TO_DO}"
            )
        return self._entry(text, hashed)

    def _entry(self, text: Any, hashed: Any) -> AuditEntry:
        if not self.key.authentic(text, hashed):
            raise AuditBrokenError(f"a record in {self.path} was altered{_WHAT_TO_DO}")
        return AuditEntry.parse(text, hashed)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing: commits durably at the end of the block, rolls back on any error."""
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if which_file(self.path) != self._file:  # SQLite goes on with the old one
                    raise StorageError(
                        f"{self.path} was moved or replaced under the service: put it back, or "
                        "start the service again"
                    )
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise


def no_record() -> AuditNotFoundError:
    """The refusal of an audit id that names nothing, or nothing that the caller may know of."""
    return AuditNotFoundError(
        "there is no audit record with this id; ids are in the replies and in "
        "`GET /v1/audit`, and retired records are no longer here"
    )


def local_record(action: Action, **known: Any) -> Record:
    """The record of what was done to the log itself."""
    return Record(action=action, outcome=Outcome.DONE, request="audit", caller="local", **known)


def rows(
    path: Path, where: str = "TRUE", values: Sequence[Any] = (), limit: int = -1
) -> Iterator[Row]:
    """Rows of `audit.db` at one moment, whether or not they are authentic.

    Raises:
        StorageError: the file cannot be read.
    """
    query = f"SELECT sequence, text, hash FROM records WHERE {where} ORDER BY sequence LIMIT ?"
    with translated(path), closing(sqlite3.connect(_readonly(path), uri=True)) as reader:
        reader.text_factory = lambda data: data.decode(errors="replace")
        yield from reader.execute(query, (*values, limit))


def read_head(path: Path) -> tuple[Any, Any, Any]:
    """Number and hash of the last record and what authenticates them, as they lie there.

    Raises:
        StorageError: the file cannot be read.
    """
    with translated(path), closing(sqlite3.connect(_readonly(path), uri=True)) as reader:
        sequence, hashed, mac = reader.execute("SELECT * FROM head").fetchone() or (None,) * 3
    return sequence, hashed, mac


def head_text(sequence: object, hashed: object) -> str:
    """What is authenticated of the head."""
    return f"head {sequence} {hashed}"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as this project's."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be read or written ({error})") from error


def _begin(path: Path, key: AuditKey) -> None:
    """Makes the file, for its owner alone, with one record; made already, it stays as it is."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageError(f"cannot make {path} ({error.strerror})") from error
    with translated(path), closing(_connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                database.execute(statement)
            _insert(database, [local_record(Action.BEGIN_LOG)], 0, GENESIS, key)
            database.execute("COMMIT")


def _insert(
    database: sqlite3.Connection, records: Sequence[Record], last: int, hashed: str, key: AuditKey
) -> list[AuditEntry]:
    """Adds records after the last, whose number and hash are given, and moves the head."""
    entries = []
    for record in records:
        text, entry = seal(record, last + 1, hashed, key)
        last, hashed = entry.sequence, entry.hash
        database.execute("INSERT INTO records VALUES (?, ?, ?)", (last, text, hashed))
        entries.append(entry)
    mac = key.hash(head_text(last, hashed))
    database.execute("UPDATE head SET sequence = ?, hash = ?, mac = ?", (last, hashed, mac))
    return entries


def _connect(path: Path) -> sqlite3.Connection:
    with translated(path):
        database = sqlite3.connect(
            path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")  # a commit that returned survives a power cut
        database.execute("PRAGMA secure_delete = ON")  # what is retired is overwritten
    return database


def _readonly(path: Path) -> str:
    return f"{path.resolve().as_uri()}?mode=ro"


_WHAT_TO_DO = "; `python -m serve.audit verify` says what is wrong"
