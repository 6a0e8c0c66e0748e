"""Tables of a gallery's database, and what it says of itself."""

import uuid
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from gait.errors import GalleryError
from gallery.record import clock
from gallery.sqlite import connect, translated
from gallery.template import iso_time

SCHEMA_VERSION = 2

_SCHEMA = f"""
CREATE TABLE meta (
    gallery TEXT NOT NULL, contract TEXT NOT NULL, dimension INTEGER NOT NULL,
    revision INTEGER NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, key TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL
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
    sealed BLOB NOT NULL,
    UNIQUE (subject, digest)
) STRICT;
CREATE INDEX expiring ON templates (expires);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class Identity(NamedTuple):
    """What never changes of a gallery.

    Attributes:
        gallery: 32 hex digits, given when it was made.
        contract: identity of the model of its embeddings.
        dimension: length of an embedding.
    """

    gallery: str
    contract: str
    dimension: int

    def place(self, subject: int, template: int) -> bytes:
        """What a sealed embedding is bound to."""
        return f"{self.contract} {subject} {template}".encode()


def create_database(path: Path, contract: str, dimension: int) -> Identity:
    """Makes an empty database for embeddings `(dimension,)` of one model contract."""
    made = Identity(uuid.uuid4().hex, contract, dimension)
    meta = (made.gallery, contract, dimension, 0, iso_time(clock.now()))
    with translated(path), closing(connect(path)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO meta VALUES (?, ?, ?, ?, ?)", meta)
    return made


def read_identity(path: Path) -> Identity:
    """The identity of a gallery's database.

    Raises:
        GalleryError: there is none, or another version made it.
        GalleryCorruptError: the file is damaged.
        StorageError: it cannot be opened.
    """
    if not path.is_file():
        raise GalleryError(f"there is no gallery at {path.parent}: make one with gallery.build")
    with translated(path), closing(connect(path, readonly=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise GalleryError(_other_version(path, version))
        found = connection.execute("SELECT gallery, contract, dimension FROM meta").fetchone()
    return Identity(*found)


def _other_version(path: Path, version: int) -> str:
    known = f"{path} has schema {version}, this version reads {SCHEMA_VERSION}"
    if version == 1:
        return (
            f"{known}: its embeddings are not encrypted and nothing authorises them; build the "
            "gallery again from the clips with gallery.build, then delete this folder"
        )
    return f"{known}: use the version that made the gallery, or build it again"
