"""The store of record: subjects and templates in one SQLite file. The index is made from it."""

import itertools
import sqlite3
import threading
import uuid
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gait.errors import (
    GaitError,
    GalleryCorruptError,
    GalleryError,
)
from gait.modality import Modality
from gallery import clock
from gallery.admission import check_enrolment, no_subject, no_template
from gallery.sqlite import connect, reading, transaction, translated
from gallery.template import (
    Authorisation,
    Batch,
    Counts,
    Enrolment,
    Matrix,
    Receipt,
    Subject,
    Template,
    Vector,
    iso_time,
)

T = TypeVar("T")
Row = tuple[Any, ...]
SCHEMA_VERSION = 2

_SCHEMA = f"""
CREATE TABLE meta (
    gallery TEXT NOT NULL, contract TEXT NOT NULL, dimension INTEGER NOT NULL,
    revision INTEGER NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL
) STRICT;
CREATE TABLE templates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    modality TEXT NOT NULL CHECK (modality IN ('silhouette', 'range_view')),
    source TEXT NOT NULL,
    frames INTEGER NOT NULL,
    digest TEXT NOT NULL,
    created TEXT NOT NULL,
    authorisation TEXT NOT NULL,
    expires INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (subject, digest)
) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""
_CODES = {str(modality): code for code, modality in enumerate(Modality)}
_JOINED = "FROM templates t JOIN subjects s ON s.id = t.subject"
_DESCRIBED = (
    "t.id, s.name, t.modality, t.source, t.frames, t.created, t.authorisation, t.expires, t.digest"
)
_MOST_VALUES = 10_000
"""Ids in one query; SQLite takes 32,766 values."""
_SUBJECT = """
SELECT s.name, s.created, SUM(t.modality = 'silhouette'), SUM(t.modality = 'range_view')
FROM subjects s JOIN templates t ON t.subject = s.id
"""


class Store:
    """An open store. Methods may be called from several threads.

    Every write is one transaction that also raises the revision by one. One connection writes and
    another reads, so that a reader never waits for a commit to reach the disk.

    Raises:
        GalleryError: there is none, or a newer version made it.
        GalleryCorruptError: the file is damaged.
        StorageError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        if not path.is_file():
            raise GalleryError(f"there is no gallery at {path.parent}: make one with gallery.build")
        self._path = path
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._reader = connect(path, readonly=True)
        try:
            self.gallery, self.contract, self.dimension = self._identity()
            self._writer = None if readonly else connect(path)
        except GaitError:
            self._reader.close()
            raise

    @classmethod
    def create(cls, path: Path, contract: str, dimension: int) -> "Store":
        """Makes an empty store for embeddings `(dimension,)` of one model contract."""
        with translated(path), closing(connect(path)) as connection:
            connection.executescript(_SCHEMA)
            meta = (uuid.uuid4().hex, contract, dimension, iso_time(clock.now()))
            connection.execute("INSERT INTO meta VALUES (?, ?, ?, 0, ?)", meta)
        return cls(path)

    def close(self) -> None:
        """Closes the file. No method may be called afterwards."""
        with self._reading, self._writing:
            self._reader.close()
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
        with self._writing, transaction(self._writable(), self._path) as connection:
            created = iso_time(clock.now())
            templates = [_insert(connection, enrolment, created) for enrolment in enrolments]
            connection.execute("UPDATE meta SET revision = revision + 1")
        return templates

    def remove_template(self, template: int) -> Receipt:
        """Deletes one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        subject = self.template(template).subject
        with self._writing, transaction(self._writable(), self._path) as connection:
            self._delete(connection, [template])
        return self._receipt(subject, [template])

    def erase_expired(self) -> list[Receipt]:
        """Deletes every template whose authorisation has expired by now."""
        query = f"SELECT s.name, t.id {_JOINED} WHERE t.expires <= ? ORDER BY s.name, t.id"
        rows = self._read(query, (clock.now(),))
        receipts = []
        for subject, group in itertools.groupby(rows, key=lambda row: str(row[0])):
            ids = [template for _, template in group]
            with self._writing, transaction(self._writable(), self._path) as connection:
                self._delete(connection, ids)
            receipts.append(self._receipt(subject, ids))
        return receipts

    def merge(self, subject: str, into: str) -> int:
        """Gives a subject's templates to another; returns how many. A clip of both is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
        """
        if subject == into:
            raise GalleryError("got the same subject twice: nothing to merge")
        with self._writing, transaction(self._writable(), self._path) as connection:
            ids = self.subject_ids([subject, into])
            for name in (subject, into):
                if name not in ids:
                    raise no_subject(name)
            pair = (ids[into], ids[subject])
            update = "UPDATE OR IGNORE templates SET subject = ? WHERE subject = ?"
            moved = connection.execute(update, pair).rowcount
            connection.execute("DELETE FROM subjects WHERE id = ?", pair[1:])
            connection.execute("UPDATE meta SET revision = revision + 1")
        return moved

    def _delete(self, connection: sqlite3.Connection, templates: Sequence[int]) -> None:
        for some in _portions(templates):
            connection.execute(f"DELETE FROM templates WHERE id IN ({_marks(some)})", some)
        connection.execute("DELETE FROM subjects WHERE id NOT IN (SELECT subject FROM templates)")
        connection.execute("UPDATE meta SET revision = revision + 1")

    def _receipt(self, subject: str, templates: Sequence[int]) -> Receipt:
        ids, now = tuple(templates), iso_time(clock.now())
        return Receipt(self.gallery, subject, ids, "", self.revision(), now)

    def remove(self, subject: str) -> Receipt:
        """Deletes a subject with all templates.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        with self._writing, transaction(self._writable(), self._path) as connection:
            find = "SELECT id FROM subjects WHERE name = ?"
            row = connection.execute(find, (subject,)).fetchone()
            if row is None:
                raise no_subject(subject)
            removed = connection.execute(
                "SELECT id FROM templates WHERE subject = ? ORDER BY id", row
            ).fetchall()
            connection.execute("DELETE FROM templates WHERE subject = ?", row)
            connection.execute("DELETE FROM subjects WHERE id = ?", row)
            connection.execute("UPDATE meta SET revision = revision + 1")
        return self._receipt(subject, [template for (template,) in removed])

    def revision(self) -> int:
        """How many writes there have been."""
        return int(self._read("SELECT revision FROM meta")[0][0])

    def counts(self) -> Counts:
        """Subjects and templates."""
        by_modality: dict[str, int] = dict(
            self._read("SELECT modality, COUNT(*) FROM templates GROUP BY modality")
        )
        (subjects,) = self._read("SELECT COUNT(*) FROM subjects")[0]
        return Counts(subjects, *(by_modality.get(str(m), 0) for m in Modality))

    def subjects(self, after: str | None, limit: int | None) -> list[Subject]:
        """Subjects in order of name, those that come after the name `after`."""
        rows = self._read(
            f"{_SUBJECT} WHERE s.name > ? GROUP BY s.id ORDER BY s.name LIMIT ?",
            (after or "", -1 if limit is None else limit),
        )
        return [Subject(*row) for row in rows]

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        query = f"SELECT {_DESCRIBED} {_JOINED} WHERE s.name = ? ORDER BY t.id"
        rows = self._read(query, (subject,))
        if not rows:
            raise no_subject(subject)
        return [_template(row) for row in rows]

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template.
        """
        query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.id = CAST(? AS INTEGER)"
        rows = self._read(query, (str(template),))  # as text no number is too large
        if not rows:
            raise no_template(template)
        return _template(rows[0])

    def holds(self, subject: str, digest: str, authorisation: Authorisation) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation."""
        query = (
            f"SELECT 1 {_JOINED} WHERE s.name = ? AND t.digest = ?"
            " AND t.authorisation = ? AND t.expires = ?"
        )
        values = (subject, digest, authorisation.reference, authorisation.seconds)
        return bool(self._read(query, values))

    def subject_ids(self, names: Collection[str]) -> dict[str, int]:
        """Ids of subjects by name; of those that there are."""
        found: dict[str, int] = {}
        for some in _portions(list(names)):
            query = f"SELECT name, id FROM subjects WHERE name IN ({_marks(some)})"
            found |= dict(self._read(query, some))
        return found

    def described(self, templates: Sequence[int]) -> dict[int, Template]:
        """Templates by id; of those that there are."""
        found: dict[int, Template] = {}
        for some in _portions(templates):
            query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.id IN ({_marks(some)})"
            found |= {row[0]: _template(row) for row in self._read(query, some)}
        return found

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: an embedding is not the one that was stored.
        """
        found: dict[int, Vector] = {}
        for some in _portions(templates):
            query = f"SELECT id, checksum, embedding FROM templates WHERE id IN ({_marks(some)})"
            for row in self._read(query, some):
                found[row[0]] = self._embedding(*row)
        embeddings = np.empty((len(templates), self.dimension), np.float32)
        for place, template in enumerate(templates):
            if template not in found:
                raise no_template(template)
            embeddings[place] = found[template]
        return embeddings

    def batches(self, size: int) -> Iterator[Batch]:
        """All templates at one moment, in order of id, at most `size` at a time.

        The memory needed is that of one batch. Writers go on meanwhile.

        Raises:
            GalleryCorruptError: an embedding is not the one that was stored.
        """
        query = (
            "SELECT id, subject, modality, expires, checksum, embedding FROM templates ORDER BY id"
        )
        own = connect(self._path, readonly=True)
        with translated(self._path), closing(own), reading(own) as connection:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(size):
                yield self._batch(rows)

    def _batch(self, rows: Sequence[Row]) -> Batch:
        ids, subjects, modalities, expires, checksums, blobs = zip(*rows, strict=True)
        embeddings = np.empty((len(rows), self.dimension), np.float32)
        for place, stored in enumerate(zip(ids, checksums, blobs, strict=True)):
            embeddings[place] = self._embedding(*stored)
        return Batch(
            np.array(ids, np.int64),
            np.array(subjects, np.int64),
            np.array([_CODES[modality] for modality in modalities], np.uint8),
            np.array(expires, np.int64),
            embeddings,
        )

    def snapshot(self) -> tuple[int, list[Template], Matrix]:
        """Everything at one moment: revision, templates, and their embeddings `(n, dimension)`.

        Raises:
            GalleryCorruptError: an embedding is not the one that was stored.
        """
        with self._reading, translated(self._path), reading(self._reader) as connection:
            revision, count = connection.execute(
                "SELECT revision, (SELECT COUNT(*) FROM templates) FROM meta"
            ).fetchone()
            templates, embeddings = [], np.empty((count, self.dimension), np.float32)
            query = f"SELECT {_DESCRIBED}, t.checksum, t.embedding {_JOINED} ORDER BY t.id"
            for place, (*described, checksum, blob) in enumerate(connection.execute(query)):
                templates.append(_template(described))
                embeddings[place] = self._embedding(templates[-1].id, checksum, blob)
        return revision, templates, embeddings

    def _embedding(self, template: int, checksum: int, blob: bytes) -> Vector:
        if len(blob) != 4 * self.dimension or zlib.crc32(blob) != checksum:
            raise GalleryCorruptError(
                f"the embedding of template {template} in {self._path} is damaged: restore a "
                f"backup, or see whose it is with `gallery.list --template {template}`, remove "
                "that subject and enrol it again"
            )
        return np.frombuffer(blob, np.float32)

    def _read(self, query: str, values: Sequence[str | int] = ()) -> list[Row]:
        with self._reading, translated(self._path):
            return self._reader.execute(query, values).fetchall()

    def _writable(self) -> sqlite3.Connection:
        if self._writer is None:
            raise GalleryError(f"{self._path.parent} was opened for reading only")
        return self._writer

    def _identity(self) -> tuple[str, str, int]:
        (version,) = self._read("PRAGMA user_version")[0]
        if version != SCHEMA_VERSION:
            raise GalleryError(
                f"{self._path} has schema {version}, this version reads {SCHEMA_VERSION}: "
                "use the version that made the gallery, or build it again"
            )
        gallery, contract, dimension = self._read("SELECT gallery, contract, dimension FROM meta")[
            0
        ]
        return gallery, contract, dimension


def _insert(connection: sqlite3.Connection, enrolment: Enrolment, created: str) -> Template:
    connection.execute(
        "INSERT INTO subjects (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (enrolment.subject, created),
    )
    blob = enrolment.embedding.tobytes()
    connection.execute(
        "INSERT INTO templates"
        " (subject, modality, source, frames, digest, created, authorisation, expires,"
        " checksum, embedding) SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM subjects WHERE name = ?"
        " ON CONFLICT (subject, digest) DO UPDATE"
        " SET authorisation = excluded.authorisation, expires = excluded.expires",
        (
            *(str(enrolment.modality), enrolment.source, enrolment.frames, enrolment.digest),
            *(created, enrolment.authorisation.reference, enrolment.authorisation.seconds),
            *(zlib.crc32(blob), blob, enrolment.subject),
        ),
    )
    query = f"SELECT {_DESCRIBED} {_JOINED} WHERE s.name = ? AND t.digest = ?"
    return _template(connection.execute(query, (enrolment.subject, enrolment.digest)).fetchone())


def _template(row: Sequence[Any]) -> Template:
    template, subject, modality, source, frames, created, authorisation, expires, digest = row
    described = (source, frames, created, authorisation, iso_time(expires), digest)
    return Template(template, subject, Modality(modality), *described)


def _portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
