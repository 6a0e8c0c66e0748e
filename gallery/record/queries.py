"""The queries by which a record is read, the same for SQLite and PostgreSQL."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, bindparam, func, select

from gait.modality import Modality
from gallery.record.schema import EMBEDDINGS, PICTURES, SUBJECT_KEYS, SUBJECTS, TEMPLATES

T = TypeVar("T")

_MOST_VALUES = 10_000
"""Values in one query; SQLite takes 32,766."""
_T = TEMPLATES.c
JOINED = TEMPLATES.join(SUBJECTS, SUBJECTS.c.id == TEMPLATES.c.subject)
ROW = (
    *(_T.id, _T.subject, SUBJECTS.c.name, _T.modality, _T.source, _T.frames),
    *(_T.digest, _T.created, _T.authorisation, _T.expires),
)
"""The columns of a `Row`."""
WHOLE = select(*ROW, SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped, EMBEDDINGS.c.sealed).select_from(
    JOINED.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == _T.subject).outerjoin(
        EMBEDDINGS, EMBEDDINGS.c.template == _T.id
    )
)
"""The columns of a `Held`."""
SHOWN = select(*ROW, PICTURES.c.template.is_not(None)).select_from(
    JOINED.outerjoin(PICTURES, PICTURES.c.template == _T.id)
)
"""The columns of a `Row`, and whether a picture of it is kept."""
PICTURE = select(
    *(SUBJECTS.c.name, _T.subject, _T.expires, SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped),
    PICTURES.c.sealed,
).select_from(
    JOINED.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == _T.subject).outerjoin(
        PICTURES, PICTURES.c.template == _T.id
    )
)
"""Whose template it is, until when, and its picture with what opens it."""
SUBJECT_COUNTS = (
    select(
        SUBJECTS.c.name,
        SUBJECTS.c.created,
        *(func.count().filter(_T.modality == str(modality)) for modality in Modality),
    )
    .select_from(SUBJECTS.join(TEMPLATES, _T.subject == SUBJECTS.c.id))
    .group_by(SUBJECTS.c.id, SUBJECTS.c.name, SUBJECTS.c.created)
    .order_by(SUBJECTS.c.name)
)


def codes_after(revision: int) -> Select[Any]:
    """The query for codes that were written after a revision, by number.

    All are read in the order in which they lie. Of few, that order would make SQLite look through
    the whole table; an order that no index gives has it take the index of revisions.
    """
    return (
        select(
            *(_T.id, _T.subject, _T.modality, _T.code),
            *(SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped),
        )
        .select_from(TEMPLATES.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == _T.subject))
        .where(_T.revision > revision)
        .order_by(_T.id if revision <= 0 else _T.id + 0)
    )


def among(dialect: str, column: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Whether a column is one of the numbers that one parameter holds, however many they are."""
    if dialect == "sqlite":
        numbers = func.json_each(bindparam(name)).table_valued("value", name=name)
        return column.in_(select(numbers.c.value))
    return column == any_(bindparam(name, type_=ARRAY(BigInteger)))


def portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in as many parts as there have to be queries."""
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]
