"""What a gallery's database says: who is enrolled, by which templates, with which embeddings."""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gait.errors import GalleryCorruptError
from gait.modality import Modality
from gallery.admission import no_subject, no_template
from gallery.schema import Identity
from gallery.sqlite import connect, marks, portions, reading, translated
from gallery.subject_key import SubjectKey
from gallery.subject_keys import SubjectKeys
from gallery.template import (
    Authorisation,
    Batch,
    Counts,
    Matrix,
    Subject,
    Template,
    Vector,
    iso_time,
)

Row = tuple[Any, ...]

_CODES = {str(modality): code for code, modality in enumerate(Modality)}
_JOINED = "FROM templates t JOIN subjects s ON s.id = t.subject"
_DESCRIBED = (
    "t.id, s.name, t.modality, t.source, t.frames, t.created, t.authorisation, t.expires, t.digest"
)
_SEALED = "t.id, t.subject, t.modality, t.expires, s.key, t.sealed"
_SUBJECT = """
SELECT s.name, s.created, SUM(t.modality = 'silhouette'), SUM(t.modality = 'range_view')
FROM subjects s JOIN templates t ON t.subject = s.id
"""


class Sealed(NamedTuple):
    """A template's row, its embedding encrypted under the key with the fingerprint `key`."""

    id: int
    subject: int
    modality: str
    expires: int
    key: str
    embedding: bytes


class Catalogue:
    """Reads a gallery. Methods may be called from several threads.

    Args:
        path: of the database.
        identity: of the gallery.
        keys: of its subjects; not closed with the catalogue.
    """

    def __init__(self, path: Path, identity: Identity, keys: SubjectKeys) -> None:
        self._path, self._identity, self._keys = path, identity, keys
        self._lock = threading.Lock()
        self._connection = connect(path, readonly=True)

    def close(self) -> None:
        """Closes the file. No method may be called afterwards."""
        with self._lock:
            self._connection.close()

    def revision(self) -> int:
        """How many writes there have been."""
        return int(self._rows("SELECT revision FROM meta")[0][0])

    def counts(self) -> Counts:
        """Subjects and templates."""
        by_modality: dict[str, int] = dict(
            self._rows("SELECT modality, COUNT(*) FROM templates GROUP BY modality")
        )
        (subjects,) = self._rows("SELECT COUNT(*) FROM subjects")[0]
        return Counts(subjects, *(by_modality.get(str(m), 0) for m in Modality))

    def size(self) -> int:
        """How many templates there are."""
        return int(self._rows("SELECT COUNT(*) FROM templates")[0][0])

    def expiring(self, before: int) -> int:
        """How many templates expire before a time, in seconds since 1970."""
        return int(self._rows("SELECT COUNT(*) FROM templates WHERE expires < ?", [before])[0][0])

    def subjects(self, after: str | None, limit: int | None) -> list[Subject]:
        """Subjects in order of name, those that come after the name `after`."""
        rows = self._rows(
            f"{_SUBJECT} WHERE s.name > ? GROUP BY s.id ORDER BY s.name LIMIT ?",
            (after or "", -1 if limit is None else limit),
        )
        return [Subject(*row) for row in rows]

    def subject_ids(self, names: Collection[str]) -> dict[str, int]:
        """Ids of subjects by name; of those that there are."""
        found: dict[str, int] = {}
        for some in portions(list(names)):
            query = f"SELECT name, id FROM subjects WHERE name IN ({marks(some)})"
            found |= dict(self._rows(query, some))
        return found

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        query = f"SELECT {_DESCRIBED} {_JOINED} WHERE s.name = ? ORDER BY t.id"
        rows = self._rows(query, (subject,))
        if not rows:
            raise no_subject(subject)
        return [_template(row) for row in rows]

    def valid(
        self, subjects: Sequence[int], modality: Modality | None, now: int
    ) -> list[tuple[int, int, Modality]]:
        """Of subjects by id, the templates that have not expired: their ids, subjects, modalities.

        Args:
            subjects: ids of subjects.
            modality: of the templates; None for both.
            now: seconds since 1970.
        """
        found: list[Row] = []
        for some in portions(subjects):
            query = (
                "SELECT id, subject, modality, expires FROM templates"
                f" WHERE subject IN ({marks(some)}) ORDER BY id"
            )
            found += self._rows(query, _integers(some))
        return [
            (template, subject, Modality(of))
            for template, subject, of, expires in found
            if expires > now and modality in (None, of)
        ]

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template.
        """
        query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.id = CAST(? AS INTEGER)"
        rows = self._rows(query, (str(template),))  # as text no number is too large
        if not rows:
            raise no_template(template)
        return _template(rows[0])

    def described(self, templates: Sequence[int]) -> dict[int, Template]:
        """Templates by id; of those that there are."""
        found: dict[int, Template] = {}
        for some in portions(templates):
            query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.id IN ({marks(some)})"
            found |= {row[0]: _template(row) for row in self._rows(query, _integers(some))}
        return found

    def holds(self, subject: str, digest: str, authorisation: Authorisation) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation."""
        query = (
            f"SELECT 1 {_JOINED} WHERE s.name = ? AND t.digest = ?"
            " AND t.authorisation = ? AND t.expires = ?"
        )
        values = (subject, digest, authorisation.reference, authorisation.seconds)
        return bool(self._rows(query, values))

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: one of them is damaged.
        """
        embeddings = self.present(templates)
        missing = np.flatnonzero(np.isnan(embeddings[:, 0]))
        if len(missing):
            raise no_template(int(templates[missing[0]]))
        return embeddings

    def present(self, templates: Sequence[int]) -> Matrix:
        """As `embeddings`; NaN for templates that are not there."""
        ids = _integers(templates)
        sealed = {row.id: row for row in self._sealed(ids)}
        rows, embeddings = self._opened([sealed[id_] for id_ in ids if id_ in sealed])
        if len(rows) == len(ids):
            return embeddings
        whole = np.full((len(ids), self._identity.dimension), np.nan, np.float32)
        there = {row.id for row in rows}
        whole[[id_ in there for id_ in ids]] = embeddings
        return whole

    def batches(self, size: int) -> Iterator[Batch]:
        """All templates at one moment, in order of id, at most `size` at a time.

        The memory needed is that of one batch. Writers go on meanwhile; what they erase is left
        out from then on.

        Raises:
            GalleryCorruptError: an embedding is damaged.
        """
        query = f"SELECT {_SEALED} {_JOINED} ORDER BY t.id"
        own = connect(self._path, readonly=True)
        with translated(self._path), closing(own), reading(own) as connection:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(size):
                opened, embeddings = self._opened([Sealed(*row) for row in rows])
                if opened:
                    yield _batch(opened, embeddings)

    def _sealed(self, templates: Sequence[int]) -> list[Sealed]:
        found: list[Sealed] = []
        for some in portions(templates):
            query = f"SELECT {_SEALED} {_JOINED} WHERE t.id IN ({marks(some)})"
            found += [Sealed(*row) for row in self._rows(query, some)]
        return found

    def _opened(self, rows: Sequence[Sealed]) -> tuple[Sequence[Sealed], Matrix]:
        """Rows and their embeddings. A row whose key is gone is read once more: erasing another
        template of its subject has given it a new key, or else it has been erased and is left out.
        """
        keys = self._keys.get({row.key for row in rows})
        gone = {row.id: row.key for row in rows if row.key not in keys}
        if gone:
            now = self._sealed(list(gone))
            self._check_destroyed([row for row in now if row.key == gone[row.id]])
            renewed = {row.id: row for row in now if row.key != gone[row.id]}
            rows = [renewed.get(r.id, r) for r in rows if r.key in keys or r.id in renewed]
            return self._opened(rows)
        embeddings = np.empty((len(rows), self._identity.dimension), np.float32)
        for row, embedding in zip(rows, embeddings, strict=True):
            self._open(row, keys[row.key], embedding)
        return rows, embeddings

    def _open(self, row: Sealed, key: SubjectKey, into: Vector) -> None:
        embedding = key.open(row.embedding, self._identity.place(row.subject, row.id))
        if embedding is None or embedding.shape != into.shape:
            raise GalleryCorruptError(
                f"the embedding of template {row.id} in {self._path} is damaged: restore a backup, "
                f"or remove it with `gallery.remove --template {row.id}` and enrol the clip again "
                f"(`gallery.list --template {row.id}` says whose it is)"
            )
        into[:] = embedding

    def _check_destroyed(self, rows: Sequence[Sealed]) -> None:
        destroyed = self._keys.destroyed({row.key for row in rows})
        lost = [row.id for row in rows if row.key not in destroyed]
        if lost:
            raise GalleryCorruptError(
                f"the key of template {lost[0]} is lost, of {len(lost)} in all: the keys are older "
                f"than {self._path}; restore both from one backup, or remove the template"
            )

    def _rows(self, query: str, values: Sequence[str | int] = ()) -> list[Row]:
        with self._lock, translated(self._path):
            return self._connection.execute(query, values).fetchall()


def read_template(connection: sqlite3.Connection, subject: int, digest: str) -> Template | None:
    """A subject's template of a clip, as a transaction sees it."""
    query = f"SELECT {_DESCRIBED} {_JOINED} WHERE t.subject = ? AND t.digest = ?"
    row = connection.execute(query, (subject, digest)).fetchone()
    return None if row is None else _template(row)


def _template(row: Row) -> Template:
    template, subject, modality, source, frames, created, authorisation, expires, digest = row
    described = (source, frames, created, authorisation, iso_time(expires), digest)
    return Template(template, subject, Modality(modality), *described)


def _batch(rows: Sequence[Sealed], embeddings: Matrix) -> Batch:
    return Batch(
        np.array([row.id for row in rows], np.int64),
        np.array([row.subject for row in rows], np.int64),
        np.array([_CODES[row.modality] for row in rows], np.uint8),
        np.array([row.expires for row in rows], np.int64),
        embeddings,
    )


def _integers(values: Sequence[int]) -> list[int]:
    return [int(value) for value in values]  # SQLite does not take NumPy's
