"""Making a record, finding those that there are, and removing one."""

import uuid

from sqlalchemy import Engine, insert, select, text
from sqlalchemy.schema import CreateSchema, DropSchema

from gait.errors import GalleryExistsError, StorageError
from gallery.record import clock
from gallery.record.engine import create_file, open_engine, transaction, translated
from gallery.record.location import (
    Folder,
    Location,
    Postgres,
    gallery_of,
    root_of,
)
from gallery.record.master_key import MasterKey
from gallery.record.schema import EMBEDDINGS, META, METADATA, PICTURES, VERSION
from gallery.record.scratch import scratch_folder
from gallery.record.sealing import Facts
from gallery.template import iso_time

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('diffcrossgait: galleries are made'))"


def create_record(location: Location, contract: str, dimension: int, master: MasterKey) -> None:
    """Makes an empty record for embeddings `(dimension,)` of one model contract.

    Args:
        location: a folder that is there and holds no record, or a name in PostgreSQL.
        contract: fingerprint of the model.
        dimension: length of an embedding.
        master: key that will wrap the subjects' keys.

    Raises:
        GalleryExistsError: there is one.
        StorageError: it cannot be written.
    """
    facts = Facts(uuid.uuid4().hex, contract, dimension)
    if isinstance(location, Folder):
        create_file(location.database)
    engine = open_engine(location)
    try:
        with transaction(engine) as connection:
            if isinstance(location, Postgres):
                connection.execute(text(_ONE_AT_A_TIME))
                if location.schema in _schemas(engine):
                    raise GalleryExistsError(
                        f"there is a gallery {location} already", gallery=location.gallery
                    )
                connection.execute(CreateSchema(location.schema))
            METADATA.create_all(connection)
            if isinstance(location, Postgres):  # random bytes: compressing them only costs time
                schema = engine.dialect.identifier_preparer.quote(location.schema)
                for table in (EMBEDDINGS, PICTURES):
                    storage = (
                        f"ALTER TABLE {schema}.{table} ALTER COLUMN sealed SET STORAGE EXTERNAL"
                    )
                    connection.execute(text(storage))
            connection.execute(insert(META).values(_meta(facts, master)))
    finally:
        engine.dispose()


def _meta(facts: Facts, master: MasterKey) -> dict[str, str | int]:
    now = clock.now()
    return {
        "version": VERSION,
        **facts._asdict(),
        "created": iso_time(now),
        "master": master.id,
        "revision": 0,
        "next_subject": 1,
        "next_template": 1,
        "confirmed": now,
    }


def gallery_names(root: Folder | Postgres) -> list[str]:
    """Names of the galleries in a folder of folders, or in a database.

    Raises:
        StorageError: the database cannot be reached.
    """
    if isinstance(root, Folder):
        return [path.name for path in root.path.glob("*") if Folder(path).database.is_file()]
    engine = open_engine(Postgres(root.url, None))
    try:
        return [name for schema in _schemas(engine) if (name := gallery_of(schema))]
    finally:
        engine.dispose()


def locations_in(root: str) -> dict[str, str]:
    """Locations of the galleries in a folder of galleries or in a PostgreSQL database, by name.

    Raises:
        ConfigError: not a URL that can be used.
        StorageError: the database cannot be reached.
    """
    where = root_of(root)
    return {name: str(where.of(name)) for name in sorted(gallery_names(where))}


def remove_record(location: Location) -> None:
    """Removes a record that is closed, with everything in it; a half-removed one is none any more.

    Raises:
        StorageError: it cannot be removed.
    """
    if isinstance(location, Postgres):
        engine = open_engine(location)
        try:
            with transaction(engine) as connection:
                connection.execute(DropSchema(location.schema, cascade=True))
        finally:
            engine.dispose()
        return
    try:
        with scratch_folder(location.path.parent) as gone:
            location.path.rename(gone / location.path.name)
    except OSError as error:
        raise StorageError(f"cannot remove the gallery {location}: {error}") from error


def _schemas(engine: Engine) -> list[str]:
    with translated(engine), engine.connect() as connection:
        query = select(text("nspname")).select_from(text("pg_catalog.pg_namespace"))
        return list(connection.execute(query).scalars())
