"""Command: copy a gallery while it is in use.

    python -m gallery.backup --gallery gallery --out backups/monday --keys backups/keys.db

The copy has two parts that must be kept apart. The templates, which only the subjects' keys open,
may be kept for as long as wanted. Of the keys keep the latest copy alone: whoever was erased since
then is erased from every older copy of the templates too, because no key for them is left.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from pydantic import BaseModel, ConfigDict

from gait.cli import run
from gait.errors import GalleryError, StorageError
from gait.manifest import FileRecord
from gait.progress import progress
from gallery.local import BUNDLE, KEYS, STORE
from gallery.record import clock
from gallery.sqlite import connect, translated
from gallery.template import iso_time

RECORD = "backup.json"
_PAGES = 4096
_TRIES = 5


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


def back_up(folder: Path, out: Path, keys: Path) -> Backup:
    """Copies a gallery, of one moment, whether or not it is in use.

    Args:
        folder: of the gallery.
        out: new folder for templates and bundle.
        keys: file for the subjects' keys, wrapped by the master key; an older copy is replaced.

    Raises:
        GalleryError: there is no gallery, `out` exists, or the gallery changes all the time.
        StorageError: the disk is full. No copy was made, an older one of the keys is kept.
    """
    if not (folder / STORE).is_file():
        raise GalleryError(f"there is no gallery at {folder}")
    if out.exists():
        raise GalleryError(f"{out} exists already: choose another folder for this backup")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        keys.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made,
            tempfile.NamedTemporaryFile(dir=keys.parent, prefix=".keys-") as wrapped,  # 0600
        ):
            new = Path(made) / "backup"
            new.mkdir()
            backup = _copied(folder, new, Path(wrapped.name))
            _durable(new, Path(wrapped.name))
            os.replace(wrapped.name, keys)  # noqa: PTH105
            Path(wrapped.name).touch()  # for the context to delete
            new.rename(out)
    except OSError as error:
        raise StorageError(f"cannot write the backup {out} or {keys}: {error}") from error
    return backup


def _copied(folder: Path, new: Path, keys: Path) -> Backup:
    for _ in range(_TRIES):
        _copy_database(folder / STORE, new / STORE)
        _copy_database(folder / KEYS, keys)
        if _belong_together(new / STORE, keys):
            break
    else:
        raise GalleryError(f"{folder} changes all the time: try again, or stop what writes to it")
    shutil.copytree(folder / BUNDLE, new / BUNDLE)
    backup = _described(new)
    (new / RECORD).write_text(backup.model_dump_json(indent=1) + "\n", "utf-8")
    return backup


def _copy_database(source: Path, copy: Path) -> None:
    """Copies a database as it is at one moment; writers do not wait."""
    copy.unlink(missing_ok=True)
    with (
        translated(copy),
        closing(connect(source, readonly=True)) as reader,
        closing(sqlite3.connect(copy)) as writer,
        progress() as bar,
    ):
        reader.execute("BEGIN")
        (pages,) = reader.execute("PRAGMA page_count").fetchone()
        task = bar.add_task(source.name, total=pages, note="")
        reader.backup(
            writer,
            pages=_PAGES,
            progress=lambda _, left, all_: bar.update(task, completed=all_ - left),
        )
        writer.execute("PRAGMA journal_mode = DELETE")  # a copy is one file
    copy.chmod(0o600)


def _belong_together(store: Path, keys: Path) -> bool:
    """Whether no key that the templates need was replaced between the two copies."""
    with translated(store), closing(sqlite3.connect(store)) as connection:
        connection.execute("ATTACH ? AS k", (str(keys),))
        query = "SELECT COUNT(*) FROM subjects WHERE key NOT IN (SELECT id FROM k.keys)"
        (missing,) = connection.execute(query).fetchone()
        query = "SELECT COUNT(*) FROM k.keys WHERE retiring"
        (replacing,) = connection.execute(query).fetchone()
    return not missing and not replacing


def _described(new: Path) -> Backup:
    with translated(new / STORE), closing(sqlite3.connect(new / STORE)) as connection:
        facts = connection.execute(
            "SELECT gallery, contract, revision, (SELECT COUNT(*) FROM subjects), "
            "(SELECT COUNT(*) FROM templates) FROM meta"
        ).fetchone()
    gallery, contract, revision, subjects, templates = facts
    files = [path for path in sorted(new.rglob("*")) if path.is_file()]
    return Backup(
        gallery=gallery,
        contract=contract,
        revision=revision,
        subjects=subjects,
        templates=templates,
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
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Arguments:
    """Copies a gallery, which may be in use meanwhile.

    The copy of the keys lets in whoever has the master key: keep it apart from the templates, and
    keep the latest one only. Whom it does not let in any more is erased from all copies.
    """

    gallery: Path
    """Folder of the gallery."""
    out: Path
    """New folder for the templates, which are encrypted, and the model bundle."""
    keys: Path
    """File for the subjects' keys, which are wrapped by the master key; replaced if it is there."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Backs up as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.backup")
    backup = back_up(arguments.gallery, arguments.out, arguments.keys)
    if arguments.json:
        print(backup.model_dump_json())
        return
    print(f"templates {arguments.out}: {backup.subjects} subjects, {backup.templates} templates")
    print(f"keys      {arguments.keys}: keep this latest copy only, apart from the templates")
    print(f"revision  {backup.revision}")


if __name__ == "__main__":
    run(main)
