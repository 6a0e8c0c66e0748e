"""Every subject's key, wrapped by the master key, in a database of its own.

A row is written once at the end of its table and later overwritten where it lies, never moved: so
that a destroyed key leaves no copy in a page's unused part. A destroyed key keeps its row, with
zeros, which tells it from a key that was lost.
"""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from gait.errors import GalleryCorruptError, GalleryError, MasterKeyError, StorageError
from gallery.record.master_key import MasterKey
from gallery.sqlite import connect, empty_log, marks, portions, transaction, translated
from gallery.subject_key import SECRET_BYTES, SubjectKey

KEYS_VERSION = 1
WRAPPED_BYTES = 12 + SECRET_BYTES + 16
_DESTROYED = bytes(WRAPPED_BYTES)
_SCHEMA = f"""
CREATE TABLE meta (gallery TEXT NOT NULL, master TEXT NOT NULL) STRICT;
CREATE TABLE keys (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    retiring INTEGER NOT NULL,
    wrapped BLOB NOT NULL CHECK (length(wrapped) = {WRAPPED_BYTES})
) STRICT;
PRAGMA user_version = {KEYS_VERSION};
"""


class SubjectKeys:
    """An open database of keys. Methods may be called from several threads.

    Args:
        path: of the database.
        gallery: identity of the gallery they belong to.
        master: the key that wraps them.
        readonly: refuse every write.

    Raises:
        GalleryCorruptError: the file is missing, damaged, or another gallery's.
        MasterKeyError: they were wrapped by another master key.
    """

    def __init__(
        self, path: Path, gallery: str, master: MasterKey, *, readonly: bool = False
    ) -> None:
        if not path.is_file():
            raise GalleryCorruptError(
                f"{path} is missing, and without the keys in it no template can be read: restore "
                "it from a backup"
            )
        self._path, self._gallery, self._master = path, gallery, master
        self._lock = threading.Lock()
        self._connection = connect(path, readonly=readonly)
        try:
            self._check()
            if not readonly:
                self._flush()
        except GalleryError:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, gallery: str, master: MasterKey) -> None:
        """Makes an empty database, which its owner alone may read."""
        path.touch(mode=0o600)
        with translated(path), closing(connect(path)) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO meta VALUES (?, ?)", (gallery, master.id))

    def close(self) -> None:
        """Closes the file. No method may be called afterwards."""
        with self._lock:
            self._connection.close()

    @property
    def master(self) -> str:
        """Fingerprint of the master key."""
        return self._master.id

    def get(self, ids: Collection[str]) -> dict[str, SubjectKey]:
        """The keys that there are, by fingerprint; destroyed ones are not.

        Raises:
            GalleryCorruptError: one of them is damaged.
        """
        wrapped = self._wrapped(ids)
        return {id_: self._unwrapped(id_, w) for id_, w in wrapped.items() if w != _DESTROYED}

    def destroyed(self, ids: Collection[str]) -> set[str]:
        """Which of the keys were destroyed."""
        return {id_ for id_, wrapped in self._wrapped(ids).items() if wrapped == _DESTROYED}

    def all_destroyed(self) -> list[str]:
        """Fingerprints of all keys that were destroyed."""
        return self._column("SELECT id FROM keys WHERE wrapped = ?", [_DESTROYED])

    def retiring(self) -> list[str]:
        """Fingerprints of keys that were about to be replaced."""
        return self._column("SELECT id FROM keys WHERE retiring", [])

    def add(self, count: int) -> list[SubjectKey]:
        """New keys, durable."""
        keys = [SubjectKey.generate() for _ in range(count)]
        if keys:
            with self._changed() as connection:
                self._insert(connection, keys)
        return keys

    def replace(self, id_: str) -> SubjectKey:
        """A new key, durable, and with it the note that it is to take the place of another."""
        key = SubjectKey.generate()
        with self._changed() as connection:
            self._insert(connection, [key])
            connection.execute("UPDATE keys SET retiring = 1 WHERE id = ?", (id_,))
        return key

    def retire(self, id_: str) -> None:
        """Notes, durably, that nothing is to need the key any more."""
        with self._changed() as connection:
            connection.execute("UPDATE keys SET retiring = 1 WHERE id = ?", (id_,))

    def keep(self, ids: Sequence[str]) -> None:
        """Takes back the notes that keys are about to be replaced."""
        self._update("UPDATE keys SET retiring = 0", ids)

    def destroy(self, ids: Sequence[str]) -> None:
        """Overwrites keys, in the file and in its log, for good.

        Raises:
            StorageError: the disk is full, or another process keeps the log from being emptied.
        """
        if ids:
            self._update(f"UPDATE keys SET retiring = 0, wrapped = zeroblob({WRAPPED_BYTES})", ids)
            with self._lock:
                self._flush()

    def rotate(self, new: MasterKey) -> int:
        """Wraps every key by a new master key, all or none; returns how many.

        Raises:
            GalleryCorruptError: a key is damaged. Nothing was changed.
            StorageError: the disk is full. Nothing was changed.
        """
        count = 0
        with self._changed() as connection:
            rows = connection.execute("SELECT row, id, wrapped FROM keys").fetchall()
            for row, id_, wrapped in rows:
                if wrapped != _DESTROYED:
                    secret = self._unwrapped(id_, wrapped).secret
                    values = (new.wrap(secret, self._place(id_)), row)
                    connection.execute("UPDATE keys SET wrapped = ? WHERE row = ?", values)
                    count += 1
            connection.execute("UPDATE meta SET master = ?", (new.id,))
        self._master = new
        with self._lock:
            self._flush()
        return count

    def _check(self) -> None:
        with translated(self._path):
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            found = self._connection.execute("SELECT gallery, master FROM meta").fetchone()
        if version != KEYS_VERSION or found is None:
            raise GalleryCorruptError(f"{self._path} is not a key database of this version")
        gallery, master = found
        if gallery != self._gallery:
            raise GalleryCorruptError(
                f"{self._path} holds the keys of gallery {gallery}, this one is {self._gallery}: "
                "restore the file that belongs to it"
            )
        if master != self._master.id:
            raise MasterKeyError(
                f"this gallery was made with master key {master}, the configured one is "
                f"{self._master.id}: configure that key; without it the templates cannot be read, "
                "by anyone, and people have to be enrolled again"
            )

    def _wrapped(self, ids: Collection[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for some in portions(list(ids)):
            query = f"SELECT id, wrapped FROM keys WHERE id IN ({marks(some)})"
            with self._lock, translated(self._path):
                found |= dict(self._connection.execute(query, some))
        return found

    def _unwrapped(self, id_: str, wrapped: bytes) -> SubjectKey:
        try:
            return SubjectKey(self._master.unwrap(wrapped, self._place(id_)))
        except MasterKeyError as error:
            raise GalleryCorruptError(
                f"the subject key {id_} in {self._path} is damaged: restore a backup, or remove "
                "the subject and enrol it again"
            ) from error

    def _place(self, id_: str) -> bytes:
        return f"{self._gallery} {id_}".encode()

    def _column(self, query: str, values: Sequence[bytes]) -> list[str]:
        with self._lock, translated(self._path):
            return [id_ for (id_,) in self._connection.execute(query, values)]

    def _insert(self, connection: sqlite3.Connection, keys: Sequence[SubjectKey]) -> None:
        rows = [(key.id, self._master.wrap(key.secret, self._place(key.id))) for key in keys]
        connection.executemany("INSERT INTO keys (id, retiring, wrapped) VALUES (?, 0, ?)", rows)

    def _update(self, update: str, ids: Sequence[str]) -> None:
        with self._changed() as connection:
            for some in portions(ids):
                connection.execute(f"{update} WHERE id IN ({marks(some)})", some)

    @contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._connection, self._path) as connection:
            yield connection

    def _flush(self) -> None:
        """Empties the log, which still has pages as they were."""
        if not empty_log(self._connection, self._path, wait=True):
            raise StorageError(
                f"another process reads {self._path}, so that its log could not be emptied: stop "
                "it and try again"
            )
