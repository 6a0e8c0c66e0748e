"""Command: make a gallery from a backup.

python -m gallery.restore --backup backups/monday --keys backups/keys.db --out gallery
"""

import shutil
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import tyro
from pydantic import ValidationError

from gait.cli import run
from gait.errors import GalleryCorruptError, GalleryError, StorageError
from gallery.backup import RECORD, Backup, record_of
from gallery.local import KEYS, LocalGallery
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


def restore(backup: Path, keys: Path, out: Path) -> Restored:
    """Makes a gallery from a backup of templates and the latest copy of the keys.

    Args:
        backup: folder that `gallery.backup` made.
        keys: latest copy of the keys, or `keys.db` of the damaged gallery itself.
        out: folder of the gallery to make.

    Raises:
        GalleryError: `out` exists, or `backup` is not a backup.
        GalleryCorruptError: a file is not as it was written, or the keys are another gallery's.
        MasterKeyError: the configured master key does not open the keys.
        StorageError: the disk is full. Nothing was made.
    """
    record = _checked(backup)
    if not keys.is_file():
        raise GalleryError(f"there are no keys at {keys}: without them no template can be read")
    if out.exists():
        raise GalleryError(f"{out} exists already: move it away first, or choose another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made:
            new = Path(made) / "gallery"
            counts = _opened(backup, keys, new)
            new.rename(out)
    except OSError as error:
        raise StorageError(f"cannot make {out} from {backup}: {error}") from error
    held = (record.subjects, record.templates, counts.subjects, counts.templates)
    return Restored(record.gallery, *held)


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


def _opened(backup: Path, keys: Path, new: Path) -> Counts:
    """The gallery's folder, opened once, which drops what no key opens."""
    shutil.copytree(backup, new, ignore=shutil.ignore_patterns(RECORD))
    shutil.copyfile(keys, new / KEYS)
    (new / KEYS).chmod(0o600)
    with closing(LocalGallery.open(new)) as gallery:
        gallery.refresh()
        return gallery.counts()


@dataclass(frozen=True)
class Arguments:
    """Makes a gallery from a backup and the latest copy of its keys."""

    backup: Path
    """Folder made by gallery.backup."""
    keys: Path
    """Latest copy of the keys."""
    out: Path
    """Folder of the gallery to make."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Restores as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.restore")
    restored = restore(arguments.backup, arguments.keys, arguments.out)
    if arguments.json:
        print(dumps(asdict(restored)))
        return
    lost = restored.subjects_in_backup - restored.subjects
    print(
        f"gallery   {arguments.out}: {restored.subjects} subjects, {restored.templates} templates"
    )
    if lost:
        print(f"erased    {lost} subjects of the backup have no key any more and are not in it")


if __name__ == "__main__":
    run(main)
