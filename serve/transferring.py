"""A gallery as a signed and encrypted file, out of the service and into it. Without HTTP."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gait.errors import StorageError, TransferError
from gallery.exchange.transfer import Moved, export_gallery, import_gallery
from gallery.gallery import Gallery
from gallery.identity import Identity, Party
from serve.service import Service


async def export(service: Service, gallery: str, to: Party) -> tuple[BinaryIO, Moved, int]:
    """Writes a gallery for a receiver, who alone can open it.

    Returns:
        The file, at its beginning and without a name, so that nothing stays behind; what became of
        the templates; and the gallery's revision before.

    Raises:
        GalleryNotFoundError: there is no such gallery.
        TransferError: the service has no identity.
        StorageError: the disk is full.
    """
    sender, data = identity(service), service.settings.data
    return await service.on(gallery, partial(_exported, sender, to, data))


async def load(service: Service, gallery: str, file: BinaryIO, sender: Party) -> tuple[Moved, int]:
    """Enrols what an export holds; a bad one changes nothing.

    Raises:
        GalleryNotFoundError: there is no such gallery.
        TransferError: the export is damaged, not signed by `sender` or not for this service, or
            the service has no identity.
        ContractMismatchError: it is of another model.
        StorageError: the disk is full; send it again, and it goes on.
    """
    return await service.on(gallery, partial(_imported, file, sender, identity(service)))


def identity(service: Service) -> Identity:
    """Who the service is to those it exchanges galleries with.

    Raises:
        TransferError: nobody yet.
        ConfigError: the file is something else.
    """
    path = service.settings.identity_file
    if not path.is_file():
        raise TransferError(
            "this service has no identity: make one with `python -m gallery.identity --out "
            "DATA/identity`, and give `identity.pub` to those you exchange galleries with"
        )
    return Identity.load(path)


def _exported(
    sender: Identity, to: Party, folder: Path, gallery: Gallery
) -> tuple[BinaryIO, Moved, int]:
    with _disk(folder), ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        revision = gallery.revision
        moved = export_gallery(gallery, file, sender=sender, to=to)
        file.seek(0)
        stack.pop_all()  # the caller closes it
    return file, moved, revision


def _imported(file: BinaryIO, sender: Party, to: Identity, gallery: Gallery) -> tuple[Moved, int]:
    moved = import_gallery(gallery, file, trusted=sender, to=to)
    return moved, gallery.revision


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write to {folder} ({error.strerror})") from error
