"""The store of record: subjects and templates in one SQLite file. The index is made from it."""

import sqlite3
import threading
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gait.errors import GaitError, GalleryCorruptError, GalleryError, SubjectNotFoundError
from gait.modality import Modality
from gallery.sqlite import connect, reading, transaction, translated
from gallery.template import Counts, Enrolment, Matrix, Subject, Template, Vector

Row = tuple[Any, ...]
SCHEMA_VERSION = 1

_SCHEMA = f"""
CREATE TABLE meta (
    contract TEXT NOT NULL, dimension INTEGER NOT NULL,
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
    checksum INTEGER NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (subject, digest)
) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""
_JOINED = "FROM templates t JOIN subjects s ON s.id = t.subject"
_DESCRIBED = "t.id, s.name, t.modality, t.source, t.frames, t.created"
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
            self.contract, self.dimension = self._identity()
            self._writer = None if readonly else connect(path)
        except GaitError:
            self._reader.close()
            raise

    @classmethod
    def create(cls, path: Path, contract: str, dimension: int) -> "Store":
        """Makes an empty store for embeddings `(dimension,)` of one model contract."""
        with translated(path), closing(connect(path)) as connection:
            connection.executescript(_SCHEMA)
            meta = (contract, dimension, _now())
            connection.execute("INSERT INTO meta VALUES (?, ?, 0, ?)", meta)
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
        there is returned.
        """
        for enrolment in enrolments:
            self._check_embedding(enrolment)
        with self._writing, transaction(self._writable(), self._path) as connection:
            created = _now()
            templates = [_insert(connection, enrolment, created) for enrolment in enrolments]
            connection.execute("UPDATE meta SET revision = revision + 1")
        return templates

    def remove(self, subject: str) -> int:
        """Deletes a subject with all templates; returns how many there were.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        with self._writing, transaction(self._writable(), self._path) as connection:
            find = "SELECT id FROM subjects WHERE name = ?"
            row = connection.execute(find, (subject,)).fetchone()
            if row is None:
                raise _unknown(subject)
            removed = connection.execute("DELETE FROM templates WHERE subject = ?", row).rowcount
            connection.execute("DELETE FROM subjects WHERE id = ?", row)
            connection.execute("UPDATE meta SET revision = revision + 1")
        return removed

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
            raise _unknown(subject)
        return [_template(row) for row in rows]

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            GalleryError: no such template.
        """
        query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.id = CAST(? AS INTEGER)"
        rows = self._read(query, (str(template),))  # as text no number is too large
        if not rows:
            raise GalleryError(f"the gallery has no template {template}")
        return _template(rows[0])

    def holds(self, subject: str, digest: str) -> bool:
        """Whether the subject has a template of the clip with this digest."""
        query = f"SELECT 1 {_JOINED} WHERE s.name = ? AND t.digest = ?"
        return bool(self._read(query, (subject, digest)))

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
                embeddings[place] = self._embedding(templates[-1], checksum, blob)
        return revision, templates, embeddings

    def _embedding(self, template: Template, checksum: int, blob: bytes) -> Vector:
        if len(blob) != 4 * self.dimension or zlib.crc32(blob) != checksum:
            raise GalleryCorruptError(
                f"the embedding of template {template.id} in {self._path} is damaged: restore a "
                f"backup, or see whose it is with `gallery.list --template {template.id}`, remove "
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

    def _identity(self) -> tuple[str, int]:
        (version,) = self._read("PRAGMA user_version")[0]
        if version != SCHEMA_VERSION:
            raise GalleryError(
                f"{self._path} has schema {version}, this version reads {SCHEMA_VERSION}: "
                "use the version that made the gallery, or build it again"
            )
        contract, dimension = self._read("SELECT contract, dimension FROM meta")[0]
        return contract, dimension

    def _check_embedding(self, enrolment: Enrolment) -> None:
        embedding = enrolment.embedding
        if embedding.shape != (self.dimension,) or embedding.dtype != np.float32:
            raise GalleryError(
                f"got an embedding of {embedding.dtype} {embedding.shape} for "
                f"{enrolment.subject!r}, this gallery holds float32 ({self.dimension},)"
            )
        if not abs(float(np.linalg.norm(embedding)) - 1) < 1e-2:  # not: NaN fails as well
            raise GalleryError(
                f"got an embedding of norm {np.linalg.norm(embedding):.4f} for "
                f"{enrolment.subject!r}, need 1: use the encoder's output as it is"
            )


def _insert(connection: sqlite3.Connection, enrolment: Enrolment, created: str) -> Template:
    connection.execute(
        "INSERT INTO subjects (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (enrolment.subject, created),
    )
    blob = enrolment.embedding.tobytes()
    connection.execute(
        "INSERT INTO templates"
        " (subject, modality, source, frames, digest, created, checksum, embedding)"
        " SELECT id, ?, ?, ?, ?, ?, ?, ? FROM subjects WHERE name = ?"
        " ON CONFLICT (subject, digest) DO NOTHING",
        (
            *(str(enrolment.modality), enrolment.source, enrolment.frames, enrolment.digest),
            *(created, zlib.crc32(blob), blob, enrolment.subject),
        ),
    )
    query = f"SELECT {_DESCRIBED} {_JOINED} WHERE s.name = ? AND t.digest = ?"
    return _template(connection.execute(query, (enrolment.subject, enrolment.digest)).fetchone())


def _template(row: Sequence[Any]) -> Template:
    template, subject, modality, *rest = row
    return Template(template, subject, Modality(modality), *rest)


def _unknown(subject: str) -> SubjectNotFoundError:
    return SubjectNotFoundError(f"the gallery has no subject {subject!r}", subject=subject)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
