"""Command: make a master key, or change the one that opens a gallery.

python -m gallery.keys new master.key
python -m gallery.keys rotate --gallery gallery --new-key master.key
"""

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gallery.gallery import open_gallery
from gallery.record.master_key import FILE_VARIABLE, MasterKey


@dataclass(frozen=True)
class New:
    """Makes a master key in a new file. Back it up: without it, no gallery it opens can be read."""

    file: Annotated[Path, tyro.conf.Positional]
    """New file."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Makes it."""
        key = MasterKey.generate()
        key.save(self.file)
        if self.json:
            print(json.dumps({"file": str(self.file), "id": key.id}))
        else:
            print(f"made      {self.file}, master key {key.id}")
            print(f"use       export {FILE_VARIABLE}={self.file.resolve()}")


@dataclass(frozen=True)
class Rotate:
    """Wraps all keys of a gallery by another master key, all or none.

    The present master key is the configured one; afterwards configure the other. Backups of
    keys still open with the old one: replace them.
    """

    gallery: str
    """Folder or URL of the gallery. Processes that have it open must be started again."""
    new_key: Path
    """File of the other master key."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Rotates."""
        old, new = MasterKey.load(), MasterKey.read(self.new_key)
        with closing(open_gallery(self.gallery, master=old)) as gallery:
            count = gallery.rotate(new)
        if self.json:
            print(json.dumps({"from": old.id, "to": new.id, "keys": count}))
        else:
            print(f"rotated   {count} keys from master key {old.id} to {new.id}")
            print(f"use       export {FILE_VARIABLE}={self.new_key.resolve()}")


def main() -> None:
    """Does as the command line says."""
    made: New | Rotate = tyro.extras.subcommand_cli_from_dict(
        {"new": New, "rotate": Rotate}, prog="python -m gallery.keys"
    )
    made.run()


if __name__ == "__main__":
    run(main)
