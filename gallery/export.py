"""Command: a gallery as one encrypted and signed file, to be loaded elsewhere.

python -m gallery.export --gallery gallery --out people.gallery --key alice.key --to bob.pub
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from gait.cli import run
from gait.errors import ConfigError, StorageError, TemplateNotFoundError
from gait.progress import progress
from gallery.command_line import options
from gallery.exchange.sealed_file import key_or_passphrase, write_sealed
from gallery.exchange.templates import MOST_ROWS, ROWS, Head, Moved, Row, every_template
from gallery.gallery import Gallery
from gallery.identity import Identity, Party
from gallery.opening import open_gallery
from gallery.record import clock
from gallery.record.scratch import new_file, scratch_folder
from gallery.template import Template, iso_time

_PIECE_BYTES = 8 * 1024 * 1024
"""Of the embeddings in a piece."""


def export_gallery(
    gallery: Gallery,
    file: IO[bytes],
    *,
    sender: Identity,
    to: str | Party,
    advance: Callable[[int], None] = lambda _: None,
) -> Moved:
    """Writes every template that has not expired, in the memory of one piece.

    What is enrolled or erased meanwhile may or may not be in it.

    Args:
        gallery: open, if only for reading.
        file: empty.
        sender: signs.
        to: who can open it.
        advance: called with a number of templates when they are written.

    Raises:
        GalleryCorruptError: an embedding is damaged.
    """
    moved = Moved()
    write_sealed(file, _pieces(gallery, moved, advance), sender=sender, to=to)
    return moved


def _pieces(gallery: Gallery, moved: Moved, advance: Callable[[int], None]) -> Iterator[bytes]:
    head = Head(contract=gallery.contract, dimension=gallery.dimension)
    yield head.model_dump_json().encode()
    templates = _unexpired(gallery, moved)
    size = min(MOST_ROWS, max(1, _PIECE_BYTES // (4 * gallery.dimension)))
    while portion := list(islice(templates, size)):
        if rows := _rows(gallery, portion):
            yield ROWS.dump_json(rows)
            moved.templates += len(rows)
            advance(len(rows))


def _unexpired(gallery: Gallery, moved: Moved) -> Iterator[Template]:
    for template in every_template(gallery):
        if template.expires <= iso_time(clock.now()):
            moved.expired += 1
        else:
            yield template


def _rows(gallery: Gallery, templates: list[Template]) -> list[Row]:
    try:
        embeddings = gallery.embeddings([template.id for template in templates])
    except TemplateNotFoundError:  # one was erased just now
        if len(templates) == 1:
            return []
        return [row for template in templates for row in _rows(gallery, [template])]
    return [Row.of(each, embedding) for each, embedding in zip(templates, embeddings, strict=True)]


def export_file(gallery: Gallery, out: Path, sender: Identity, to: str | Party) -> Moved:
    """Writes an export, readable by its owner only; the file appears when it is whole.

    Raises:
        ConfigError: the file exists.
        StorageError: the disk is full or the folder cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: choose another file")
    try:
        with scratch_folder(out.parent) as made, new_file(made / "export") as file:
            with progress() as bar:
                task = bar.add_task("export", total=gallery.counts().templates, note="")
                moved = export_gallery(
                    gallery, file, sender=sender, to=to, advance=lambda n: bar.advance(task, n)
                )
            file.flush()
            os.fsync(file.fileno())
            os.link(made / "export", out)  # unlike a rename, it refuses to replace a file
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}") from error
    return moved


@dataclass(frozen=True)
class Arguments:
    """Writes the templates of a gallery that have not expired, encrypted and signed."""

    gallery: options.Location
    out: Path
    """File to write; must not exist."""
    key: Path
    """Your private identity (gallery.identity), which signs."""
    to: Path | None = None
    """Public identity of the receiver, who alone can open the file."""
    passphrase_file: options.PassphraseFile = None
    json: options.AsJson = False


def main() -> None:
    """Exports as the command line says."""
    arguments = options.parse(Arguments, "gallery.export")
    sender = Identity.load(arguments.key)
    to = key_or_passphrase(Party.load, arguments.to, arguments.passphrase_file)
    with open_gallery(arguments.gallery, readonly=True) as gallery:
        moved = export_file(gallery, arguments.out, sender, to)
    if arguments.json:
        print(json.dumps({"file": str(arguments.out)} | asdict(moved)))
    else:
        print(f"file      {arguments.out}")
        print(f"templates {moved.templates} written, {moved.expired} expired left out")


if __name__ == "__main__":
    run(main)
