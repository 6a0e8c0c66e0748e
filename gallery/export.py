"""Command: a gallery as one encrypted and signed file, to be loaded elsewhere.

python -m gallery.export --gallery gallery --out people.gallery --key alice.key --to bob.pub
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from gait.cli import run
from gait.errors import ConfigError, StorageError
from gait.progress import progress
from gallery.exchange.envelope import Passphrase
from gallery.exchange.passphrase import read_passphrase
from gallery.exchange.transfer import Moved, export_gallery
from gallery.gallery import Gallery, open_gallery
from gallery.identity import Identity, Party


@dataclass(frozen=True)
class Arguments:
    """Writes the templates of a gallery that have not expired, encrypted and signed."""

    gallery: str
    """Folder or URL of the gallery."""
    out: Path
    """File to write; must not exist."""
    key: Path
    """Your private identity (gallery.identity), which signs."""
    to: Path | None = None
    """Public identity of the receiver, who alone can open the file."""
    passphrase_file: Path | None = None
    """Instead: a file whose first line is a passphrase that the receiver knows."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Exports as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.export")
    sender, to = Identity.load(arguments.key), _receiver(arguments)
    with open_gallery(arguments.gallery, readonly=True) as gallery:
        moved = export_file(gallery, arguments.out, sender, to)
    if arguments.json:
        print(json.dumps({"file": str(arguments.out)} | asdict(moved)))
    else:
        print(f"file      {arguments.out}")
        print(f"templates {moved.templates} written, {moved.expired} expired left out")


def export_file(gallery: Gallery, out: Path, sender: Identity, to: Passphrase | Party) -> Moved:
    """Writes an export, readable by its owner only; the file appears when it is whole.

    Raises:
        ConfigError: the file exists.
        StorageError: the disk is full or the folder cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: choose another file")
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            part = Path(folder) / "part"
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "wb") as file:
                with progress() as bar:
                    task = bar.add_task("export", total=gallery.counts().templates, note="")
                    moved = export_gallery(
                        gallery,
                        file,
                        sender=sender,
                        to=to,
                        advance=lambda n: bar.advance(task, n),
                    )
                file.flush()
                os.fsync(file.fileno())
            os.link(part, out)  # unlike a rename, it refuses to replace a file
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}") from error
    return moved


def _receiver(arguments: Arguments) -> Passphrase | Party:
    if (arguments.to is None) == (arguments.passphrase_file is None):
        raise ConfigError("name either the receiver (--to) or a passphrase (--passphrase-file)")
    if arguments.to is not None:
        return Party.load(arguments.to)
    assert arguments.passphrase_file is not None
    return read_passphrase(arguments.passphrase_file)


if __name__ == "__main__":
    run(main)
