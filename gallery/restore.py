"""Command: make a gallery from a backup.

python -m gallery.restore --backup backups/monday --keys backups/keys.db --gallery gallery
python -m gallery.restore --backup backups/monday --keys keys-backup --galleries data/galleries

The gallery may be a folder or a name in PostgreSQL, whichever it was before: this is also how a
gallery moves from one to the other.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import tyro
from pydantic import ValidationError

from gait.cli import run
from gait.errors import (
    ConfigError,
    ContractMismatchError,
    GalleryCorruptError,
    GalleryError,
    StorageError,
)
from gait.manifest import Manifest
from gait.progress import progress
from gallery.backup import PEOPLE, RECORD, Backup, record_of
from gallery.command_line import options
from gallery.record.copying import drop_unreadable, join
from gallery.record.creation import create_record, locations_in, remove_record
from gallery.record.engine import open_engine, private_folder
from gallery.record.location import BUNDLE_FOLDER, Folder, Location, parse_location, root_of
from gallery.record.master_key import MasterKey
from gallery.record.record import Record
from gallery.record.scratch import scratch_folder
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


def restore(backup: Path, keys: Path, location: str, bundle: Path | None = None) -> Restored:
    """Makes a gallery from a backup of templates and the latest copy of the keys.

    Args:
        backup: folder that `gallery.backup` made.
        keys: latest copy of the keys.
        location: of the gallery to make, a new folder or a URL.
        bundle: model bundle for a folder, if the backup holds none; it must be the gallery's model.

    Raises:
        GalleryError: there is something at `location`, or `backup` is not a backup.
        ContractMismatchError: the bundle is of another model than the gallery.
        GalleryCorruptError: a file is not as it was written, or the keys are another gallery's or
            older than the templates.
        MasterKeyError: the configured master key does not open the keys.
        StorageError: it cannot be written. Nothing was made.
    """
    record, where, master = _checked(backup), parse_location(location), MasterKey.load()
    if not keys.is_file():
        raise GalleryError(f"there are no keys at {keys}: without them no template can be read")
    if isinstance(where, Folder):
        kept = backup / BUNDLE_FOLDER
        model = kept if kept.is_dir() else _checked_bundle(bundle, record)
        counts = _restored_folder(record, backup, keys, where, master, model)
    else:
        create_record(where, record.contract, 0, master)
        try:
            counts = _filled(where, backup, keys, master)
        except BaseException:
            remove_record(where)
            raise
    held = (record.subjects, record.templates, counts.subjects, counts.templates)
    return Restored(record.gallery, *held)


def _checked_bundle(bundle: Path | None, record: Backup) -> Path:
    """The bundle to put into a folder."""
    if bundle is None:
        raise GalleryError(
            "the backup holds no model bundle, and a folder needs one: give --bundle"
        )
    contract = Manifest.load(bundle).contract
    if contract != record.contract:
        raise ContractMismatchError(
            f"{bundle} is of model {contract}, the gallery of {record.contract}: give that bundle",
            gallery=record.contract,
            bundle=contract,
        )
    return bundle


def _restored_folder(
    record: Backup, backup: Path, keys: Path, where: Folder, master: MasterKey, bundle: Path
) -> Counts:
    out = where.path
    if out.exists():
        raise GalleryError(f"{out} exists already: move it away first, or choose another folder")
    try:
        private_folder(out.parent)
        with scratch_folder(out.parent) as made:
            new = Folder(made / "gallery")
            new.path.mkdir(mode=0o700)
            shutil.copytree(bundle, new.bundle)
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
    """Makes a gallery, or all, from a backup and the latest copy of its keys.

    Each gallery is made whole or not at all. Of `--galleries`, those that are there already are
    left as they are, so that it can be run again.
    """

    backup: Path
    """Folder made by gallery.backup; with `--galleries` the folder with one for each."""
    keys: Path
    """Latest copy of the keys; with `--galleries` the folder with one for each."""
    gallery: options.OneGallery = None
    galleries: options.AllGalleries = None
    bundle: Path | None = None
    """Model bundle for a folder, if the backup is of a gallery in PostgreSQL, which keeps none."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Restores as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.restore")
    for backup, keys, location in _wanted(arguments):
        options.note_unserved(location)
        restored = restore(backup, keys, location, arguments.bundle)
        if arguments.json:
            print(dumps(asdict(restored)))
            continue
        lost = restored.subjects_in_backup - restored.subjects
        print(f"gallery   {location}: {restored.subjects} subjects, {restored.templates} templates")
        if lost:
            print(f"erased    {lost} subjects of the backup have no key any more and are not in it")


def _wanted(arguments: Arguments) -> Iterator[tuple[Path, Path, str]]:
    """Backup, keys and location of each gallery that is to be made."""
    if (arguments.gallery is None) == (arguments.galleries is None):
        raise ConfigError("say either --gallery, where one, or --galleries, where all are made")
    if arguments.gallery is not None:
        yield arguments.backup, arguments.keys, arguments.gallery
        return
    assert arguments.galleries is not None
    backups = sorted(path.parent for path in arguments.backup.glob(f"*/{RECORD}"))
    if not backups:
        raise GalleryError(f"{arguments.backup} holds no backups made with --galleries")
    there = locations_in(arguments.galleries)
    for backup in backups:
        if backup.name in there:
            print(f"left      {there[backup.name]} is there already", file=sys.stderr)
            continue
        location = str(root_of(arguments.galleries).of(backup.name))
        yield backup, arguments.keys / f"{backup.name}.db", location


if __name__ == "__main__":
    run(main)
