"""Command: make a gallery from a backup.

python -m gallery.restore --backup backups/monday --keys backups/keys.db --gallery gallery

The gallery may be a folder or a name in PostgreSQL, whichever it was before: this is also how a
gallery moves from one to the other.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import tyro
from pydantic import ValidationError

from gait.cli import run
from gait.errors import GalleryCorruptError, GalleryError, StorageError
from gait.progress import progress
from gallery.backup import PEOPLE, RECORD, Backup, record_of
from gallery.record.copying import drop_unreadable, join
from gallery.record.creation import create_record, remove_record
from gallery.record.engine import open_engine
from gallery.record.location import BUNDLE_FOLDER, Folder, Location, parse_location
from gallery.record.master_key import MasterKey
from gallery.record.record import Record
from gallery.template import Counts


@dataclass(frozen=True)
class Restored:
    """What a backup held, and what could be read of it with the keys given.

    Fewer people than in the backup were erased, or had a template erased, after it was made.
    """

    gallery: str
    subjects_in_backup: int
    templates_in_backup: int
    subjects: int
    templates: int


def restore(backup: Path, keys: Path, location: str) -> Restored:
    """Makes a gallery from a backup of templates and the latest copy of the keys.

    Args:
        backup: folder that `gallery.backup` made.
        keys: latest copy of the keys.
        location: of the gallery to make, a new folder or a URL.

    Raises:
        GalleryError: there is something at `location`, or `backup` is not a backup.
        GalleryCorruptError: a file is not as it was written, or the keys are another gallery's or
            older than the templates.
        MasterKeyError: the configured master key does not open the keys.
        StorageError: it cannot be written. Nothing was made.
    """
    record, where, master = _checked(backup), parse_location(location), MasterKey.load()
    if not keys.is_file():
        raise GalleryError(f"there are no keys at {keys}: without them no template can be read")
    if isinstance(where, Folder):
        counts = _restored_folder(record, backup, keys, where, master)
    else:
        create_record(where, record.contract, 0, master)
        try:
            counts = _filled(where, backup, keys, master)
        except BaseException:
            remove_record(where)
            raise
    held = (record.subjects, record.templates, counts.subjects, counts.templates)
    return Restored(record.gallery, *held)


def _restored_folder(
    record: Backup, backup: Path, keys: Path, where: Folder, master: MasterKey
) -> Counts:
    out = where.path
    if out.exists():
        raise GalleryError(f"{out} exists already: move it away first, or choose another folder")
    if not (backup / BUNDLE_FOLDER).is_dir():
        raise GalleryError(f"{backup} holds no model bundle: restore it into PostgreSQL")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made:
            new = Folder(Path(made) / "gallery")
            new.path.mkdir(mode=0o700)
            shutil.copytree(backup / BUNDLE_FOLDER, new.bundle)
            create_record(new, record.contract, 0, master)
            counts = _filled(new, backup, keys, master)
            new.path.rename(out)
    except OSError as error:
        raise StorageError(f"cannot make {out} from {backup}: {error}") from error
    return counts


def _checked(backup: Path) -> Backup:
    try:
        record = Backup.model_validate_json((backup / RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise GalleryError(f"{backup} is not a backup made by gallery.backup") from error
    for name, expected in record.files.items():
        path = backup / name
        if not path.is_file() or record_of(path) != expected:
            raise GalleryCorruptError(f"{path} is not as it was written: use another backup")
    return record


def _filled(where: Location, backup: Path, keys: Path, master: MasterKey) -> Counts:
    """Fills a new record, and drops what no key opens."""
    engine = open_engine(where)
    try:
        with progress() as bar:
            task = bar.add_task("rows", total=None, note="")
            join(backup / PEOPLE, keys, engine, lambda rows: bar.update(task, advance=rows))
    finally:
        engine.dispose()
    record = Record(where, master)
    try:
        drop_unreadable(record.engine, record.sealer)
        return record.counts()
    finally:
        record.close()


@dataclass(frozen=True)
class Arguments:
    """Makes a gallery from a backup and the latest copy of its keys."""

    backup: Path
    """Folder made by gallery.backup."""
    keys: Path
    """Latest copy of the keys."""
    gallery: str
    """New folder, or URL, of the gallery to make."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Restores as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.restore")
    restored = restore(arguments.backup, arguments.keys, arguments.gallery)
    if arguments.json:
        print(dumps(asdict(restored)))
        return
    lost = restored.subjects_in_backup - restored.subjects
    print(
        f"gallery   {arguments.gallery}: {restored.subjects} subjects, "
        f"{restored.templates} templates"
    )
    if lost:
        print(f"erased    {lost} subjects of the backup have no key any more and are not in it")


if __name__ == "__main__":
    run(main)
