"""The records in one SQLite file, each bound to the one before: append only.

Several processes may append: the lock is the head's file, and every append looks at the end of the
chain afresh.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from gait.errors import AuditBrokenError, GaitError, GalleryLockedError
from gallery.sqlite import connect, transaction, translated
from serve.audit.head import HeadFile
from serve.audit.record import BEGIN, Action, Entry, Keys, Mark, Outcome, Record, seal

FILE, HEAD = "audit.db", "audit.head"
SCHEMA_VERSION = 1
SCHEMA = {
    "records": "CREATE TABLE records (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL,"
    " hash TEXT NOT NULL) STRICT",
    "no_update": "CREATE TRIGGER no_update BEFORE UPDATE ON records"
    " BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END",
    "no_delete": "CREATE TRIGGER no_delete BEFORE DELETE ON records"
    " BEGIN SELECT RAISE(ABORT, 'an audit record is never deleted'); END",
    "no_replace": "CREATE TRIGGER no_replace BEFORE INSERT ON records"
    " WHEN NEW.sequence <= (SELECT MAX(sequence) FROM records)"
    " BEGIN SELECT RAISE(ABORT, 'audit records are added at the end'); END",
}
_LAST = "SELECT body, hash FROM records ORDER BY sequence DESC LIMIT 1"


class Chain:
    """An open chain. Methods may be called from several threads.

    Args:
        folder: where `audit.db` and `audit.head` are, or are made.
        keys: that authenticate the records.
        accept: why records at the end are lost, as after an old backup was put back: the chain goes
            on with a record of that, and with numbers that were never used.

    Raises:
        AuditBrokenError: records are missing and that is not accepted, or this is the chain of
            another master key.
        StorageError: the files cannot be opened.
    """

    def __init__(self, folder: Path, keys: Keys, *, accept: str | None = None) -> None:
        self.path, self._keys = folder / FILE, keys
        self._lock = threading.Lock()
        self._head = HeadFile(folder / HEAD, keys)
        try:
            with self._head.locked():
                if accept is None:
                    self._check_or_create()
                else:
                    self._accept(accept)
        except GaitError:
            self._head.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files. No method may be called afterwards."""
        with self._lock:
            self._db.close()
            self._head.close()

    def append(self, *records: Record) -> list[Entry]:
        """Adds records in this order, all or none, and returns once they are on the disk.

        Raises:
            AuditBrokenError: the end of the chain is not where the head says.
            StorageError: the disk refused. If it was the head that could not be written, the
                records are there nevertheless.
        """
        with self._lock, self._head.locked():
            with transaction(self._db, self.path):
                entries = self._insert(records, self._checked())
            self._head.write(entries[-1].mark)
        return entries

    def last(self) -> Entry:
        """The newest record."""
        with self._lock, translated(self.path):
            return self._checked()

    def find(self, sequence: int) -> Entry | None:
        """The record with this sequence, if it is in this file."""
        found = self.select("sequence = ?", (sequence,), 1)
        return found[0] if found else None

    def select(self, where: str, values: Sequence[str | int], limit: int) -> list[Entry]:
        """Records that fulfil an SQL condition on `sequence` and `body`, in their order.

        Raises:
            AuditBrokenError: one of them is not authentic.
        """
        query = f"SELECT body, hash FROM records WHERE {where} ORDER BY sequence LIMIT ?"
        # A connection of its own: reading much must not keep records from being written.
        with translated(self.path), closing(connect(self.path, readonly=True)) as reader:
            rows = reader.execute(query, (*values, limit)).fetchall()
        return [self._entry(*row) for row in rows]

    def hand_over(self, keep: Callable[[Entry], Path]) -> Path:
        """Closes this part of the chain, and opens the next in an empty file.

        Args:
            keep: puts a copy of all records in a safe place, given the last; others that write
                wait for it. If it fails, nothing was changed but that the last record was added.

        Returns:
            What `keep` returns.
        """
        with self._lock, self._head.locked():
            with transaction(self._db, self.path):
                (last,) = self._insert([_CLOSED], self._checked())
            self._head.write(last.mark)
            kept = keep(last)
            with transaction(self._db, self.path):
                self._db.execute("DROP TABLE records")
                self._create()
                (entry,) = self._insert([_OPENED], last)
            self._head.write(entry.mark)
            with suppress(GalleryLockedError), translated(self.path):  # someone reads: no matter
                self._db.execute("VACUUM")
        return kept

    def copy(self, path: Path) -> None:
        """Writes all records to a new file; for `hand_over`."""
        with translated(path):
            self._db.execute("VACUUM INTO ?", (str(path),))

    def _check_or_create(self) -> None:
        head, missing = self._head.read(), not self.path.is_file()
        if missing and head is not None:
            raise AuditBrokenError(
                f"{self.path} is gone, and {HEAD} says it held {head.sequence} records: "
                "restore both from one backup"
            )
        self._db = connect(self.path)
        try:
            with transaction(self._db, self.path):
                if head is None and self._is_new():
                    self._create()
                    self._insert([_OPENED], None)
                self._head.write(self._checked().mark)
        except GaitError:
            self._db.close()
            raise

    def _accept(self, reason: str) -> None:
        try:
            head = self._head.read() or BEGIN
        except AuditBrokenError:
            head = BEGIN
        self._db = connect(self.path)
        try:
            with transaction(self._db, self.path):
                if self._is_new():
                    self._create()
                row = self._db.execute(_LAST).fetchone()
                last = self._entry(*row) if row else None
                end = max(head, last.mark if last else BEGIN, key=lambda mark: mark.sequence)
                record = Record(
                    *(Action.ACCEPT_CHAIN, Outcome.DONE, "audit", "local"),
                    about=end.sequence,
                    detail=reason,
                )
                self._write(record, Mark(end.sequence, last.hash if last else end.hash), last)
                self._head.write(self._last().mark)
        except GaitError:
            self._db.close()
            raise

    def _is_new(self) -> bool:
        return bool(self._db.execute("PRAGMA user_version").fetchone()[0] == 0)

    def _create(self) -> None:
        for statement in SCHEMA.values():
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _insert(self, records: Sequence[Record], last: Entry | None) -> list[Entry]:
        entries = []
        for record in records:
            last = self._write(record, last.mark if last else BEGIN, last)
            entries.append(last)
        return entries

    def _write(self, record: Record, after: Mark, last: Entry | None) -> Entry:
        now = datetime.now(UTC)
        back = (datetime.fromisoformat(last.time) - now).total_seconds() if last else 0.0
        body, hashed = seal(record, self._keys, after, now, back)
        row = (after.sequence + 1, body, hashed)
        self._db.execute("INSERT INTO records VALUES (?, ?, ?)", row)
        return Entry.parse(body, hashed)

    def _last(self) -> Entry:
        row = self._db.execute(_LAST).fetchone()
        if row is None:
            raise AuditBrokenError(f"{self.path} holds no record: restore a backup")
        return self._entry(*row)

    def _checked(self) -> Entry:
        """The newest record, when it is at or after the head."""
        head, last = self._head.read(), self._last()
        if head is None and last.sequence > 1:
            raise AuditBrokenError(f"{HEAD} beside {self.path} is missing or empty{_WHAT_TO_DO}")
        if head is not None and last.sequence < head.sequence:
            raise AuditBrokenError(
                f"{self.path} ends at record {last.sequence}, {HEAD} says there are "
                f"{head.sequence}: records were cut off{_WHAT_TO_DO}"
            )
        return last

    def _entry(self, body: str, hashed: str) -> Entry:
        if not self._keys.authentic(body, hashed):
            raise AuditBrokenError(
                f"a record in {self.path} is not authentic: altered, or written with another "
                f"master key{_WHAT_TO_DO}"
            )
        return Entry.parse(body, hashed)


_CLOSED = Record(Action.CLOSE_CHAIN, Outcome.DONE, "command", "local")
_OPENED = Record(Action.OPEN_CHAIN, Outcome.DONE, "audit", "local")
_WHAT_TO_DO = "; `python -m serve.audit verify` says what is wrong"
