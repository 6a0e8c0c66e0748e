"""Where a gallery is: a folder, or a name in a PostgreSQL database.

    site-7                                            a folder, with an SQLite file in it
    postgresql://HOST:PORT/DATABASE?gallery=site-7    a schema of a PostgreSQL database

What else stands after `?` goes to PostgreSQL's client library: `sslmode=verify-full` and
`sslrootcert=FILE`, for instance. The password never stands in the URL, which is logged and shown:
PostgreSQL's own PGPASSWORD or PGPASSFILE gives it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gait.errors import ConfigError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,57}")
"""A gallery's name. Lower case: some disks cannot tell `A` from `a`. At most 58 characters: with
the prefix of its schema it is a PostgreSQL identifier, which holds 63."""
NAME_RULE = "1..58 of a-z, 0-9, '-' and '_', the first a letter or digit"
SCHEMES = ("postgresql", "postgres")
DATABASE_FILE = "gallery.db"
BUNDLE_FOLDER = "bundle"
_PREFIX = "gait_"


@dataclass(frozen=True)
class Folder:
    """A gallery in a folder."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def of(self, gallery: str) -> "Folder":
        """The gallery of this name in the folder."""
        return Folder(self.path / gallery)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / DATABASE_FILE

    @property
    def bundle(self) -> Path:
        """The gallery's own copy of its model bundle."""
        return self.path / BUNDLE_FOLDER


@dataclass(frozen=True)
class Postgres:
    """A gallery in a PostgreSQL database, or the database itself.

    Attributes:
        url: of the database, for SQLAlchemy, without a password.
        gallery: name of the gallery; None for the database itself.
    """

    url: URL
    gallery: str | None

    def __str__(self) -> str:
        shown = self.url.set(drivername="postgresql")
        if self.gallery is not None:
            shown = shown.update_query_dict({"gallery": self.gallery})
        return shown.render_as_string(hide_password=True)

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds the gallery's tables."""
        return f"{_PREFIX}{self.gallery}"

    def of(self, gallery: str) -> "Postgres":
        """The gallery of this name in the same database."""
        return Postgres(self.url, gallery)


Location = Folder | Postgres


def is_postgres(text: str) -> bool:
    """Whether a location is in PostgreSQL."""
    return text.split(":", 1)[0].split("+", 1)[0] in SCHEMES and ":" in text


def parse_location(text: str) -> Location:
    """Reads the location of a gallery.

    Args:
        text: a folder, or a URL; without `gallery=` the URL means the gallery `default`.

    Raises:
        ConfigError: not a URL that can be used.
    """
    if not is_postgres(text):
        if re.match(r"[a-z][a-z0-9+.-]+:/", text):
            raise ConfigError(
                f"got the location {text!r}, need a folder or postgresql://HOST/DATABASE?gallery=NAME"
            )
        return Folder(Path(text))
    database = parse_database(text)
    return database if database.gallery else database.of("default")


def parse_database(text: str) -> Postgres:
    """Reads the URL of a PostgreSQL database, with or without a gallery in it.

    Raises:
        ConfigError: not a URL that can be used.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"got {text.split('@')[-1]!r}, which is not a URL: {error}") from error
    if url.password is not None:
        raise ConfigError(
            "a URL is logged and shown: give the password in PGPASSWORD or PGPASSFILE, not in it"
        )
    if not url.database:
        raise ConfigError("the URL names no database: write postgresql://HOST/DATABASE")
    gallery = url.query.get("gallery")
    if gallery is not None and not (isinstance(gallery, str) and NAME.fullmatch(gallery)):
        raise ConfigError(f"got the gallery {gallery!r} in the URL, need {NAME_RULE}")
    plain = url.set(drivername="postgresql+psycopg").difference_update_query(["gallery"])
    return Postgres(plain, gallery)


def root_of(text: str) -> Folder | Postgres:
    """Reads where several galleries are: a folder of folders, or a PostgreSQL database.

    Raises:
        ConfigError: not a URL that can be used.
    """
    return parse_database(text) if is_postgres(text) else Folder(Path(text))


def gallery_of(schema: str) -> str | None:
    """The name of the gallery that a PostgreSQL schema holds; None if it is no gallery's."""
    name = schema.removeprefix(_PREFIX)
    return name if name != schema and NAME.fullmatch(name) else None
