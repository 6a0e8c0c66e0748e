"""Command: make a master key, or change the one that opens a gallery.

python -m gallery.keys new master.key
python -m gallery.keys rotate --gallery gallery --new-key master.key
python -m gallery.keys rotate --galleries data/galleries --new-key master.key
"""

import json
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import MasterKeyError
from gallery.command_line import options
from gallery.opening import open_gallery
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

    The present master key is the configured one; afterwards configure the other. If it was
    interrupted, run it again: a gallery that has the new key already is left as it is. Processes
    that have a gallery open must be started again. Backups of keys still open with the old master
    key: replace them.
    """

    new_key: Path
    """File of the other master key."""
    gallery: options.OneGallery = None
    galleries: options.AllGalleries = None
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Rotates."""
        old, new = MasterKey.load(), MasterKey.read(self.new_key)
        for location in options.locations(self.gallery, self.galleries).values():
            count = rotated(location, old, new)
            if self.json:
                facts = {"gallery": location, "from": old.id, "to": new.id, "keys": count}
                print(json.dumps(facts))
            elif count is None:
                print(f"left      {location} has master key {new.id} already")
            else:
                print(f"rotated   {count} keys of {location} from master key {old.id} to {new.id}")
        if not self.json:
            print(f"use       export {FILE_VARIABLE}={self.new_key.resolve()}")


def rotated(location: str, old: MasterKey, new: MasterKey) -> int | None:
    """How many keys of a gallery were wrapped by another master key; None if it had it already.

    Raises:
        MasterKeyError: the gallery has neither of the two.
    """
    try:
        gallery = open_gallery(location, master=old)
    except MasterKeyError:
        with suppress(MasterKeyError):
            open_gallery(location, master=new, readonly=True).close()
            return None
        raise
    with closing(gallery):
        return gallery.rotate(new)


def main() -> None:
    """Does as the command line says."""
    made: New | Rotate = tyro.extras.subcommand_cli_from_dict(
        {"new": New, "rotate": Rotate}, prog="python -m gallery.keys"
    )
    made.run()


if __name__ == "__main__":
    run(main)
