"""Command: enrol what an exported gallery holds.

python -m gallery.load people.gallery --gallery gallery --sender alice.pub --key bob.key
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Annotated

import tyro
from pydantic import ValidationError

from gait.cli import run
from gait.errors import ConfigError, ContractMismatchError, GalleryError, TransferError
from gait.manifest import Manifest
from gait.progress import progress
from gallery.command_line import options
from gallery.exchange.sealed_file import key_or_passphrase, read_sealed
from gallery.exchange.templates import ROWS, Head, Moved
from gallery.gallery import Gallery
from gallery.identity import Identity, Party
from gallery.opening import open_gallery, open_or_create
from gallery.record import clock
from gallery.template import Enrolment


class Export:
    """An export that was received. All of it is checked first, so that a bad one changes nothing.

    Args:
        file: that can be read twice.
        trusted: who must have signed it.
        to: what opens it.

    Attributes:
        head: the model of the embeddings.
        templates: how many it holds.

    Raises:
        TransferError: the export is damaged, cut short, not signed by `trusted` or not for us.
    """

    def __init__(self, file: IO[bytes], trusted: Party, to: str | Identity) -> None:
        self._file, self._trusted, self._to = file, trusted, to
        pieces = self._pieces()
        try:
            self.head = Head.model_validate_json(next(pieces, b""))
        except ValidationError as error:
            raise TransferError(f"the export does not say of which model it is: {error}") from error
        self.templates = sum(len(_enrolments(piece, self.head)) for piece in pieces)

    def check_model(self, contract: str, dimension: int) -> None:
        """Checks that the embeddings are of this model.

        Raises:
            ContractMismatchError: they are of another.
        """
        if self.head != Head(contract=contract, dimension=dimension):
            raise ContractMismatchError(
                f"the export is of model {self.head.contract}, the gallery of {contract}: "
                "embed the clips again with gallery.reembed",
                gallery=contract,
                bundle=self.head.contract,
            )

    def enrol(self, gallery: Gallery, advance: Callable[[int], None] = lambda _: None) -> Moved:
        """Enrols what it holds.

        A template the gallery has already is not enrolled again, so an import that was cut short
        can simply be run again. What has expired meanwhile is left out.

        Args:
            gallery: open for writing.
            advance: called with a number of templates when they are dealt with.

        Raises:
            ContractMismatchError: it is of another model. Nothing was enrolled.
            StorageError: the disk is full; the templates before are enrolled.
        """
        self.check_model(gallery.contract, gallery.dimension)
        moved, pieces = Moved(), self._pieces()
        next(pieces)  # the head
        for piece in pieces:
            enrolments = _enrolments(piece, self.head)
            valid = [e for e in enrolments if e.authorisation.seconds > clock.now()]
            new = [e for e in valid if not gallery.holds(e.subject, e.digest, e.authorisation)]
            if new:
                gallery.enrol(new)
            moved.templates += len(new)
            moved.present += len(valid) - len(new)
            moved.expired += len(enrolments) - len(valid)
            advance(len(enrolments))
        return moved

    def _pieces(self) -> Iterator[bytes]:
        self._file.seek(0)
        return read_sealed(self._file, trusted=self._trusted, to=self._to)


def _enrolments(piece: bytes, head: Head) -> list[Enrolment]:
    try:
        return [row.enrolment(head.dimension) for row in ROWS.validate_json(piece)]
    except (ValueError, GalleryError) as error:
        raise TransferError(f"the export holds templates that cannot be read: {error}") from error


@dataclass(frozen=True)
class Arguments:
    """Loads an export of gallery.export. Run again, it goes on where it was cut short."""

    file: Annotated[Path, tyro.conf.Positional]
    """The export."""
    gallery: options.Location
    sender: Path
    """Public identity that must have signed it."""
    bundle: Path | None = None
    """Model bundle, of the model that made the export; with it, a gallery is made if needed."""
    key: Path | None = None
    """Your private identity, if the export was made for you."""
    passphrase_file: options.PassphraseFile = None
    json: options.AsJson = False


def main() -> None:
    """Loads as the command line says."""
    arguments = options.parse(Arguments, "gallery.load")
    trusted = Party.load(arguments.sender)
    to = key_or_passphrase(Identity.load, arguments.key, arguments.passphrase_file)
    if not arguments.file.is_file():
        raise ConfigError(f"there is no file {arguments.file}")
    with arguments.file.open("rb") as file, progress() as bar:
        export = Export(file, trusted, to)
        task = bar.add_task("load", total=export.templates, note="")
        with _gallery(arguments, export) as gallery:
            moved = export.enrol(gallery, lambda n: bar.advance(task, n))
    if arguments.json:
        print(json.dumps({"gallery": arguments.gallery} | asdict(moved)))
    else:
        print(f"gallery   {arguments.gallery}")
        print(
            f"templates {moved.templates} enrolled, {moved.present} there already, "
            f"{moved.expired} expired left out"
        )


def _gallery(arguments: Arguments, export: Export) -> Gallery:
    """The gallery, which is made only for an export that fits it."""
    if arguments.bundle is None:
        return open_gallery(arguments.gallery)
    model = Manifest.load(arguments.bundle)
    export.check_model(model.contract, model.embedding.parts * model.embedding.dim)
    options.note_unserved(arguments.gallery)
    return open_or_create(arguments.gallery, arguments.bundle)


if __name__ == "__main__":
    run(main)
