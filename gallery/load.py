"""Command: enrol what an exported gallery holds.

python -m gallery.load people.gallery --gallery gallery --sender alice.pub --key bob.key
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import ConfigError
from gait.progress import progress
from gallery.exchange.envelope import Passphrase
from gallery.exchange.passphrase import read_passphrase
from gallery.exchange.transfer import import_gallery
from gallery.gallery import open_gallery, open_or_create
from gallery.identity import Identity, Party


@dataclass(frozen=True)
class Arguments:
    """Loads an export of gallery.export. Run again, it goes on where it was cut short."""

    file: Annotated[Path, tyro.conf.Positional]
    """The export."""
    gallery: str
    """Folder or URL of the gallery; made if there is none and a bundle is given."""
    sender: Path
    """Public identity that must have signed it."""
    bundle: Path | None = None
    """Model bundle, of the model that made the export."""
    key: Path | None = None
    """Your private identity, if the export was made for you."""
    passphrase_file: Path | None = None
    """Instead: a file whose first line is the passphrase."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Loads as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.load")
    trusted, to = Party.load(arguments.sender), _opener(arguments)
    if not arguments.file.is_file():
        raise ConfigError(f"there is no file {arguments.file}")
    made = (
        open_gallery(arguments.gallery)
        if arguments.bundle is None
        else open_or_create(arguments.gallery, arguments.bundle)
    )
    with closing(made) as gallery, arguments.file.open("rb") as file, progress() as bar:
        task = bar.add_task("load", total=None, note="")
        moved = import_gallery(
            gallery, file, trusted=trusted, to=to, advance=lambda n: bar.advance(task, n)
        )
    if arguments.json:
        print(json.dumps({"gallery": arguments.gallery} | asdict(moved)))
    else:
        print(f"gallery   {arguments.gallery}")
        print(
            f"templates {moved.templates} enrolled, {moved.present} there already, "
            f"{moved.expired} expired left out"
        )


def _opener(arguments: Arguments) -> Passphrase | Identity:
    if (arguments.key is None) == (arguments.passphrase_file is None):
        raise ConfigError("name either your identity (--key) or a passphrase (--passphrase-file)")
    if arguments.key is not None:
        return Identity.load(arguments.key)
    assert arguments.passphrase_file is not None
    return read_passphrase(arguments.passphrase_file)


if __name__ == "__main__":
    run(main)
