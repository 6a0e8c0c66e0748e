"""Command: copy a gallery while it is in use.

    python -m gallery.backup --gallery gallery --out backups/monday --keys backups/keys.db
    python -m gallery.backup --galleries data/galleries --out backups/monday --keys keys-backup

The copy has two parts that must be kept apart. The templates, which only the subjects' keys open,
may be kept for as long as wanted. Of the keys keep the latest copy alone: whoever was erased since
then is erased from every older copy of the templates too, because no key for them is left.
"""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from pydantic import BaseModel, ConfigDict

from gait.cli import run
from gait.errors import GalleryError, StorageError
from gait.manifest import FileRecord
from gait.progress import progress
from gallery.command_line import options
from gallery.opening import open_gallery
from gallery.record import clock
from gallery.record.copying import contents_of, rows_to_copy, split
from gallery.record.engine import create_file, open_engine, private_folder
from gallery.record.location import BUNDLE_FOLDER, Folder, Location, parse_location
from gallery.record.scratch import scratch_folder, sync
from gallery.template import iso_time

PEOPLE = "people.db"
RECORD = "backup.json"


class Backup(BaseModel):
    """What a backup says of itself: `backup.json` in its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    gallery: str
    contract: str
    revision: int
    subjects: int
    templates: int
    created: str
    files: dict[str, FileRecord]


def back_up(location: str, out: Path, keys: Path) -> Backup:
    """Copies a gallery, as of one moment, whether or not it is in use.

    Args:
        location: of the gallery, a folder or a URL.
        out: new folder for the templates, and for the bundle if the gallery keeps one.
        keys: file for the subjects' keys, wrapped by the master key; an older copy is replaced.

    Raises:
        GalleryError: there is no gallery, or `out` exists.
        StorageError: the disk is full. No copy was made, an older one of the keys is kept.
    """
    where = parse_location(location)
    if out.exists():
        raise GalleryError(f"{out} exists already: choose another folder for this backup")
    try:
        private_folder(out.parent)
        private_folder(keys.parent)
        with (
            scratch_folder(out.parent) as made,
            scratch_folder(keys.parent) as apart,
        ):
            new, wrapped = made / "backup", apart / keys.name
            new.mkdir(mode=0o700)
            backup = _copied(where, new, wrapped)
            _durable(new, wrapped)
            wrapped.replace(keys)
            new.rename(out)
    except OSError as error:
        raise StorageError(f"cannot write the backup {out} or {keys}: {error}") from error
    return backup


def _copied(where: Location, new: Path, keys: Path) -> Backup:
    with open_gallery(str(where), readonly=True):  # says what is wrong, if anything is
        engine = open_engine(where, readonly=True)
    try:
        with progress() as bar:
            task = bar.add_task("rows", total=rows_to_copy(engine), note="")
            split(engine, new / PEOPLE, keys, lambda rows: bar.update(task, advance=rows))
    finally:
        engine.dispose()
    if isinstance(where, Folder):
        shutil.copytree(where.bundle, new / BUNDLE_FOLDER)
    backup = _described(new)
    create_file(new / RECORD)
    (new / RECORD).write_text(backup.model_dump_json(indent=1) + "\n", "utf-8")
    return backup


def _described(new: Path) -> Backup:
    contents = contents_of(new / PEOPLE)
    files = [path for path in sorted(new.rglob("*")) if path.is_file()]
    return Backup(
        **contents._asdict(),
        created=iso_time(clock.now()),
        files={path.relative_to(new).as_posix(): record_of(path) for path in files},
    )


def record_of(path: Path) -> FileRecord:
    """Hash and size of a file, however large."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(sha256=digest, size=path.stat().st_size)


def _durable(new: Path, keys: Path) -> None:
    for path in [keys, *new.rglob("*"), new]:
        sync(path)


@dataclass(frozen=True)
class Arguments:
    """Copies a gallery, or all of them, which may be in use meanwhile.

    The copy of the keys lets in whoever has the master key: keep it apart from the templates, and
    keep the latest one only. Whom it does not let in any more is erased from all copies.
    """

    out: Path
    """New folder for the templates, which are encrypted, and the model bundle; with `--galleries`
    a folder that gets one for each gallery."""
    keys: Path
    """File for the subjects' keys, which are wrapped by the master key; replaced if it is there.
    With `--galleries` a folder that has one for each gallery."""
    gallery: options.OneGallery = None
    galleries: options.AllGalleries = None
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Backs up as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.backup")
    found = options.locations(arguments.gallery, arguments.galleries)
    for name, location in found.items():
        out, keys = arguments.out, arguments.keys
        if name:
            out, keys = out / name, keys / f"{name}.db"
        backup = back_up(location, out, keys)
        if arguments.json:
            print(backup.model_dump_json())
            continue
        print(f"templates {out}: {backup.subjects} subjects, {backup.templates} templates")
        print(f"keys      {keys}: keep this latest copy only, apart from the templates")
        print(f"revision  {backup.revision}")
    if arguments.galleries is not None:
        for left in sorted(path for path in arguments.keys.glob("*.db") if path.stem not in found):
            print(
                f"{left} is of a gallery that is gone: delete it, or its people can still be read "
                "in older backups",
                file=sys.stderr,
            )


if __name__ == "__main__":
    run(main)
