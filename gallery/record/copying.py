"""Copies of a record, table by table: between SQLite and PostgreSQL, as of one moment."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update

from gait.errors import GalleryCorruptError
from gallery.record.engine import create_file, one_moment, sqlite_engine, transaction
from gallery.record.schema import (
    EMBEDDINGS,
    META,
    METADATA,
    PICTURES,
    REMOVED,
    SUBJECT_KEYS,
    SUBJECTS,
    TEMPLATES,
)
from gallery.record.sealing import Sealer
from gallery.record.subject_key import DESTROYED

PEOPLE = (META, SUBJECTS, TEMPLATES, EMBEDDINGS, PICTURES, REMOVED)
"""All but the keys: nobody can read what is in these tables."""
KEYS = (META, SUBJECT_KEYS)
_TOGETHER = 256
"""Rows copied at a time."""

Advance = Callable[[int], None]


def rows_to_copy(engine: Engine) -> int:
    """How many rows a copy of the people has."""
    with one_moment(engine) as connection:
        return sum(_count(connection, table) for table in PEOPLE)


def split(engine: Engine, people: Path, keys: Path, advance: Advance = lambda _: None) -> None:
    """Writes a record as of one moment into two new SQLite files that only together can be read.

    Args:
        engine: of the record.
        people: file for everything but the keys.
        keys: file for the wrapped keys of the subjects.
        advance: called with a number of rows when they are copied.
    """
    with one_moment(engine) as source:
        for path, tables in ((people, PEOPLE), (keys, KEYS)):
            create_file(path)
            target = sqlite_engine(path)
            try:
                with transaction(target) as connection:
                    METADATA.create_all(connection, tables=tables)
                    for table in tables:
                        _copy(source, connection, table, advance)
                with target.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode = DELETE")  # one file
            finally:
                target.dispose()


def join(people: Path, keys: Path, target: Engine, advance: Advance = lambda _: None) -> None:
    """Fills a new, empty record from two files of `split`, whose keys may be the later ones.

    Args:
        people: file with everything but the keys.
        keys: file with the wrapped keys, of the same moment or later.
        target: of the record to fill; its one row of META is replaced.
        advance: called with a number of rows when they are copied.

    Raises:
        GalleryCorruptError: the files are of two galleries, or the keys are the older ones.
    """
    one, other = sqlite_engine(people, readonly=True), sqlite_engine(keys, readonly=True)
    try:
        with (
            one_moment(one) as of_people,
            one_moment(other) as of_keys,
            transaction(target) as connection,
        ):
            meta = _joined(of_people, of_keys, people, keys)
            connection.execute(delete(META))
            connection.execute(insert(META).values(meta))
            _copy(of_keys, connection, SUBJECT_KEYS, advance)
            for table in PEOPLE[1:]:
                _copy(of_people, connection, table, advance)
    finally:
        one.dispose()
        other.dispose()


def drop_unreadable(engine: Engine, sealer: Sealer) -> None:
    """Removes what no key of the record opens, and keys of subjects that are not there."""
    with transaction(engine) as connection:
        columns = (TEMPLATES.c.id, TEMPLATES.c.subject, TEMPLATES.c.modality, TEMPLATES.c.code)
        joined = TEMPLATES.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == TEMPLATES.c.subject)
        query = select(*columns, SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped).select_from(joined)
        rows = connection.execute(query).all()
        for template, subject, modality, code, key_id, wrapped in rows:
            key = sealer.unwrap(subject, key_id, wrapped)
            if key is None or sealer.open_code(template, subject, modality, key, code) is None:
                connection.execute(delete(EMBEDDINGS).where(EMBEDDINGS.c.template == template))
                connection.execute(delete(PICTURES).where(PICTURES.c.template == template))
                connection.execute(delete(TEMPLATES).where(TEMPLATES.c.id == template))
        empty = SUBJECTS.c.id.not_in(select(TEMPLATES.c.subject))
        connection.execute(delete(SUBJECTS).where(empty))
        unused = SUBJECT_KEYS.c.subject.not_in(select(SUBJECTS.c.id))
        connection.execute(update(SUBJECT_KEYS).where(unused).values(wrapped=DESTROYED))


class Contents(NamedTuple):
    """What a file of people holds."""

    gallery: str
    contract: str
    revision: int
    subjects: int
    templates: int


def contents_of(people: Path) -> Contents:
    """What a file of people holds.

    Raises:
        GalleryCorruptError: it is no such file.
    """
    engine = sqlite_engine(people, readonly=True)
    try:
        with one_moment(engine) as connection:
            meta = connection.execute(select(META)).one()
            counts = (_count(connection, table) for table in (SUBJECTS, TEMPLATES))
            return Contents(meta.gallery, meta.contract, meta.revision, *counts)
    finally:
        engine.dispose()


def _joined(of_people: Connection, of_keys: Connection, people: Path, keys: Path) -> dict[str, Any]:
    one, other = (dict(c.execute(select(META)).one()._mapping) for c in (of_people, of_keys))
    if one["gallery"] != other["gallery"]:
        raise GalleryCorruptError(
            f"{keys} holds the keys of gallery {other['gallery']}, {people} is of gallery "
            f"{one['gallery']}: use the keys that belong to it"
        )
    if other["revision"] < one["revision"]:
        raise GalleryCorruptError(f"{keys} is older than {people}: use the latest copy of the keys")
    return other | {"revision": other["revision"] + 1}


def _copy(source: Connection, target: Connection, table: Table, advance: Advance) -> None:
    streaming = source.execution_options(yield_per=_TOGETHER)
    for rows in _partitions(streaming.execute(select(table)).mappings()):
        target.execute(insert(table), [dict(row) for row in rows])
        advance(len(rows))


def _partitions(rows: Any) -> Iterable[Any]:
    return rows.partitions()  # type: ignore[no-any-return]


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
