"""The tables of a gallery's record, the same in SQLite and in PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 7
"""Of these tables. Galleries of another version are refused."""

METADATA = MetaData()
_ID = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's row number is an INTEGER

META = Table(
    "meta",
    METADATA,
    Column("version", Integer, nullable=False),
    Column("gallery", String(32), nullable=False),
    Column("contract", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("master", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("next_subject", BigInteger, nullable=False),
    Column("next_template", BigInteger, nullable=False),
    Column("confirmed", BigInteger, nullable=False),
    Column("calibration", Text),
)
"""One row. `master` is the fingerprint of the master key; `confirmed` the time, in seconds since
1970, that erasures of what has expired believe in; `calibration` the gallery's own, as JSON."""

SUBJECTS = Table(
    "subjects",
    METADATA,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("created", Text, nullable=False),
)

SUBJECT_KEYS = Table(
    "subject_keys",
    METADATA,
    Column("subject", _ID, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)
"""Rows are added at the end and overwritten where they lie, never removed: in SQLite a destroyed
key then leaves no copy in the unused part of a page."""

TEMPLATES = Table(
    "templates",
    METADATA,
    Column("id", _ID, primary_key=True, autoincrement=False),
    Column("subject", _ID, ForeignKey("subjects.id"), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("code", LargeBinary, nullable=False),
    UniqueConstraint("subject", "digest"),
    Index("templates_expires", "expires"),
    Index("templates_revision", "revision"),
)
"""`code` is encrypted under the subject's key, and so is the embedding, which has a table of its
own: whoever starts reads all codes and no embedding."""

EMBEDDINGS = Table(
    "embeddings",
    METADATA,
    Column("template", _ID, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

PICTURES = Table(
    "pictures",
    METADATA,
    Column("template", _ID, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""Moving pictures of those clips of which one is to be kept, encrypted under the subject's key."""

REMOVED = Table(
    "removed",
    METADATA,
    Column("template", _ID, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Index("removed_revision", "revision"),
)
"""Numbers of templates that are gone, for indexes that follow."""

INDEXES = Table(
    "indexes",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""Up to which revision an index outside the process is complete."""
