"""The store of record: who is enrolled, in two SQLite files that belong together.

One has the templates, encrypted under their subjects' keys; the other has these keys, wrapped by
the master key. Enrolling writes the key first, then the rows. Erasing destroys the key
first: from then on the rows are noise wherever a copy of them lies, and if the process dies before
it has deleted them, the next opening does.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gait.errors import GaitError, GalleryCorruptError, GalleryError
from gallery.admission import check_enrolment, no_subject
from gallery.catalogue import Catalogue, read_template
from gallery.record import clock
from gallery.record.master_key import MasterKey
from gallery.schema import create_database, read_identity
from gallery.sqlite import connect, empty_log, marks, portions, transaction
from gallery.subject_key import SubjectKey
from gallery.subject_keys import SubjectKeys
from gallery.template import Enrolment, Receipt, Template, iso_time

_TOGETHER = 500
"""Expired subjects erased in one transaction."""


class Held(NamedTuple):
    """A subject: its row, its key's fingerprint, and its templates, oldest first."""

    id: int
    name: str
    key: str
    templates: tuple[int, ...]


class Store(Catalogue):
    """An open store. Methods may be called from several threads.

    Every write to the templates is one transaction that also raises the revision by one. One
    connection writes and another reads, so that a reader never waits for a commit to reach the
    disk.

    Args:
        path: of the database of templates.
        keys: of the database of keys.
        master: the key that wraps them.
        readonly: refuse every write.

    Attributes:
        gallery: identity of the gallery.
        contract: identity of the model that made the embeddings.
        dimension: length of an embedding.
        keys: of the subjects.

    Raises:
        GalleryError: there is none, or another version made it.
        GalleryCorruptError: a file is damaged or missing.
        MasterKeyError: it was made with another master key.
        StorageError: a file cannot be opened.
    """

    def __init__(
        self, path: Path, keys: Path, master: MasterKey, *, readonly: bool = False
    ) -> None:
        identity = read_identity(path)
        self.gallery, self.contract, self.dimension = identity
        self.keys = SubjectKeys(keys, self.gallery, master, readonly=readonly)
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._unfinished = True
        try:
            super().__init__(path, identity, self.keys)
            if not readonly:
                self._writer = connect(path)
                self._finish()
        except GaitError:
            self.close()
            raise

    @classmethod
    def create(
        cls, path: Path, keys: Path, contract: str, dimension: int, master: MasterKey
    ) -> "Store":
        """Makes an empty store for embeddings `(dimension,)` of one model contract."""
        identity = create_database(path, contract, dimension)
        SubjectKeys.create(keys, identity.gallery, master)
        return cls(path, keys, master)

    def close(self) -> None:
        """Closes the files. No method may be called afterwards."""
        with self._writing:
            super().close()
            self.keys.close()
            if self._writer is not None:
                self._writer.close()

    def add(self, enrolments: Sequence[Enrolment]) -> list[Template]:
        """Stores templates durably, all or none, and returns them in the given order.

        A clip that the subject has already (same digest) is not stored again: the template that is
        there gets the new authorisation and is returned.

        Raises:
            GalleryError: not an embedding of this gallery's, or an authorisation has expired.
            StorageError: the disk is full.
        """
        for enrolment in enrolments:
            check_enrolment(enrolment, self.dimension)
        created = iso_time(clock.now())
        self._writable()
        with self._writing:
            keys = self._keys_of(list(dict.fromkeys(each.subject for each in enrolments)))
            with self._change() as connection:
                return [self._insert(connection, e, keys[e.subject], created) for e in enrolments]

    def remove(self, subject: str) -> Receipt:
        """Erases a subject with all templates.

        Raises:
            SubjectNotFoundError: no such subject.
            StorageError: the disk is full. The key may be destroyed already.
        """
        with self._writing, self._erasing():
            return self._erase([self._held(subject)])[0]

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
            GalleryCorruptError: another template of the subject is damaged; remove that first.
            StorageError: the disk is full.
        """
        with self._writing, self._erasing():
            return self._erase_some(self._held(self.template(template).subject), [template])

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject.

        Raises:
            GalleryCorruptError, StorageError: as `remove_template`; some may be erased already.
        """
        query = (
            "SELECT s.name, t.id FROM templates t JOIN subjects s ON s.id = t.subject"
            " WHERE t.expires <= ? ORDER BY s.name, t.id"
        )
        receipts, whole = list[Receipt](), list[Held]()
        with self._writing, self._erasing():
            expired: dict[str, list[int]] = {}
            for name, template in self._rows(query, [clock.now()]):
                expired.setdefault(name, []).append(template)
            for name, templates in expired.items():
                held = self._held(name)
                if len(held.templates) == len(templates):
                    whole.append(held)
                else:
                    receipts.append(self._erase_some(held, templates))
            for start in range(0, len(whole), _TOGETHER):
                receipts += self._erase(whole[start : start + _TOGETHER])
        return receipts

    def rotate(self, new: MasterKey) -> int:
        """Wraps the keys of all subjects by another master key, all or none; returns how many."""
        with self._writing:
            self._writable()
            return self.keys.rotate(new)

    def merge(self, subject: str, into: str) -> int:
        """Gives a subject's templates to another; returns how many. A clip of both is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            GalleryCorruptError: one of the templates is damaged.
            StorageError: the disk is full.
        """
        if subject == into:
            raise GalleryError(f"got {subject!r} twice, need two subjects to merge")
        self._writable()
        with self._writing, self._erasing():
            source, target = self._held(subject), self._held(into)
            key = self._key(target)
            rows, embeddings = self._opened(self._sealed(source.templates))
            self.keys.retire(source.key)
            with self._change() as connection:
                moved = 0
                for row, embedding in zip(rows, embeddings, strict=True):
                    sealed = key.seal(embedding, self._identity.place(target.id, row.id))
                    moved += connection.execute(
                        "UPDATE OR IGNORE templates SET subject = ?, sealed = ? WHERE id = ?",
                        (target.id, sealed, row.id),
                    ).rowcount
                connection.execute("DELETE FROM subjects WHERE id = ?", (source.id,))
            self._destroy([source])
        return moved

    def _erase(self, subjects: Sequence[Held]) -> list[Receipt]:
        """Erases subjects, the keys first."""
        self._writable()
        self.keys.destroy([held.key for held in subjects])
        with self._change() as connection:
            for held in subjects:
                connection.execute("DELETE FROM subjects WHERE id = ?", (held.id,))
        empty_log(self._writable(), self._path, wait=False)
        return [self._receipt(held, held.templates) for held in subjects]

    def _erase_some(self, held: Held, templates: Sequence[int]) -> Receipt:
        """Erases some templates of a subject: the others are encrypted anew, the old key goes."""
        rest = [template for template in held.templates if template not in set(templates)]
        if not rest:
            return self._erase([held])[0]
        self._writable()
        rows, embeddings = self._opened(self._sealed(rest))
        key = self.keys.replace(held.key)
        with self._change() as connection:
            for row, embedding in zip(rows, embeddings, strict=True):
                sealed = key.seal(embedding, self._identity.place(held.id, row.id))
                connection.execute("UPDATE templates SET sealed = ? WHERE id = ?", (sealed, row.id))
            for some in portions(templates):
                connection.execute(f"DELETE FROM templates WHERE id IN ({marks(some)})", some)
            connection.execute("UPDATE subjects SET key = ? WHERE id = ?", (key.id, held.id))
        self._destroy([held])
        return self._receipt(held, templates)

    def _destroy(self, subjects: Sequence[Held]) -> None:
        self.keys.destroy([held.key for held in subjects])
        empty_log(self._writable(), self._path, wait=False)

    def _receipt(self, held: Held, templates: Sequence[int]) -> Receipt:
        when = iso_time(clock.now())
        return Receipt(self.gallery, held.name, tuple(templates), held.key, self.revision(), when)

    @contextmanager
    def _erasing(self) -> Iterator[None]:
        """An erasure that stops half-way is finished before the next write."""
        if self._unfinished and self._writer is not None:
            self._finish()
        self._unfinished = True
        yield
        self._unfinished = False

    def _finish(self) -> None:
        """Ends what was begun and not ended: replaced keys go, and rows without a key."""
        retiring = self.keys.retiring()
        needed = self._subjects_of(retiring)
        self.keys.keep([key for key in retiring if key in needed])
        self.keys.destroy([key for key in retiring if key not in needed])
        gone = list(self._subjects_of(self.keys.all_destroyed()).values())
        if gone:
            with self._change() as connection:
                for some in portions(gone):
                    connection.execute(f"DELETE FROM subjects WHERE id IN ({marks(some)})", some)
            empty_log(self._writable(), self._path, wait=False)
        self._unfinished = False

    def _subjects_of(self, keys: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for some in portions(keys):
            query = f"SELECT key, id FROM subjects WHERE key IN ({marks(some)})"
            found |= dict(self._rows(query, some))
        return found

    def _held(self, name: str) -> Held:
        found = self._rows("SELECT id, key FROM subjects WHERE name = ?", [name])
        if not found:
            raise no_subject(name)
        ((id_, key),) = found
        rows = self._rows("SELECT id FROM templates WHERE subject = ? ORDER BY id", [id_])
        return Held(id_, name, key, tuple(template for (template,) in rows))

    def _key(self, held: Held) -> SubjectKey:
        keys = self.keys.get([held.key])
        if held.key not in keys:
            raise GalleryCorruptError(
                f"the key {held.key} of a subject is lost: restore both databases from one "
                "backup, or remove the subject"
            )
        return keys[held.key]

    def _keys_of(self, names: Sequence[str]) -> dict[str, SubjectKey]:
        """The keys of subjects; of those that are not there yet, new ones."""
        if self._unfinished:
            self._finish()
        known = [self._held(name) for name in self.subject_ids(names)]
        keys = {held.name: self._key(held) for held in known}
        new = [name for name in names if name not in keys]
        return keys | dict(zip(new, self.keys.add(len(new)), strict=True))

    def _insert(
        self, connection: sqlite3.Connection, enrolment: Enrolment, key: SubjectKey, created: str
    ) -> Template:
        subject = _subject_id(connection, enrolment.subject, key, created)
        authorisation = enrolment.authorisation
        there = read_template(connection, subject, enrolment.digest)
        if there is None:
            template = _next_id(connection)
            sealed = key.seal(enrolment.embedding, self._identity.place(subject, template))
            described = (str(enrolment.modality), enrolment.source, enrolment.frames)
            permitted = (authorisation.reference, authorisation.seconds)
            connection.execute(
                "INSERT INTO templates (id, subject, modality, source, frames, digest, created,"
                " authorisation, expires, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (template, subject, *described, enrolment.digest, created, *permitted, sealed),
            )
        else:
            connection.execute(
                "UPDATE templates SET authorisation = ?, expires = ? WHERE id = ?",
                (authorisation.reference, authorisation.seconds, there.id),
            )
        stored = read_template(connection, subject, enrolment.digest)
        assert stored is not None
        return stored

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that raises the revision."""
        with transaction(self._writable(), self._path) as connection:
            yield connection
            connection.execute("UPDATE meta SET revision = revision + 1")

    def _writable(self) -> sqlite3.Connection:
        if self._writer is None:
            raise GalleryError(f"{self._path.parent} was opened for reading only")
        return self._writer


def _subject_id(connection: sqlite3.Connection, name: str, key: SubjectKey, created: str) -> int:
    insert = "INSERT INTO subjects (name, key, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(insert, (name, key.id, created))
    return int(connection.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()[0])


def _next_id(connection: sqlite3.Connection) -> int:
    """An id that no template has had."""
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'templates'"
    last = connection.execute(query).fetchone()
    return 1 if last is None else int(last[0]) + 1
