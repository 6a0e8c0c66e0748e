"""`/v1/galleries/{g}:export` and `:import`: a gallery as a signed and encrypted file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import StreamingResponse

from gait.errors import AuditUnavailableError, StorageError, TransferError
from gallery.exchange.templates import Moved
from gallery.export import export_gallery
from gallery.gallery import Gallery
from gallery.identity import Identity, Party
from gallery.load import Export
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import CurrentCall, GalleryPath, problems
from serve.schemas.galleries import ImportReply
from serve.work.service import Service

router = APIRouter(prefix="/v1/galleries/{g}", tags=["galleries"], route_class=Guarded)
_PIECE = 1 << 20
_TYPE = "application/octet-stream"
_SENT: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK: {"content": {_TYPE: {}}, "description": "What `gallery.load` reads."}
}
_IDENTITY = "`.pub` file made by `python -m gallery.identity`: the public identity of "


@router.post(
    ":export",
    dependencies=[needs(Scope.ADMIN, Action.EXPORT)],
    response_class=StreamingResponse,
    responses=problems(400, 404, 409, 413, 507) | _SENT,
)
async def export_to(
    call: CurrentCall,
    g: GalleryPath,
    to: Annotated[UploadFile, File(description=f"{_IDENTITY}the receiver.")],
) -> StreamingResponse:
    """Sends every template that has not expired, signed, and encrypted for the receiver alone.

    The file is biometric data that erasing people here does not reach.
    """
    receiver, sender = Party.parse(await to.read()), _identity(call.service)
    file, moved, revision = await call.service.on(
        g, partial(_exported, sender, receiver, call.service.settings.data)
    )
    detail = f"{moved.templates} templates for {receiver.key.hex()}"
    call.use.note(revision=revision, detail=detail)
    try:
        await call.use.done()
    except AuditUnavailableError:
        file.close()
        raise
    size = os.fstat(file.fileno()).st_size
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{g}.gallery"',
    }
    return StreamingResponse(_pieces(file), media_type=_TYPE, headers=headers)


@router.post(
    ":import",
    dependencies=[needs(Scope.ADMIN, Action.IMPORT)],
    responses=problems(400, 404, 409, 413, 507),
)
async def import_from(
    call: CurrentCall,
    g: GalleryPath,
    file: Annotated[UploadFile, File(description="An export made for this service.")],
    sender: Annotated[UploadFile, File(description=f"{_IDENTITY}who must have signed it.")],
) -> ImportReply:
    """Enrols the templates of an export. All of it is checked first: a bad one changes nothing.

    Sent again, it goes on where it was cut short.
    """
    trusted = Party.parse(await sender.read())
    signed = f"signed by {trusted.key.hex()}"
    call.use.note(detail=signed)
    moved, revision = await call.service.on(
        g, partial(_imported, file.file, trusted, _identity(call.service))
    )
    call.use.note(revision=revision, detail=f"{moved.templates} templates {signed}")
    audit_id = await call.use.done()
    return ImportReply(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        templates_enrolled=moved.templates,
        templates_present=moved.present,
        templates_expired=moved.expired,
        gallery_revision=revision,
    )


def _identity(service: Service) -> Identity:
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
) -> tuple[IO[bytes], Moved, int]:
    """The file, which has no name so that nothing stays behind, and the revision before."""
    try:
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            revision = gallery.revision
            moved = export_gallery(gallery, file, sender=sender, to=to)
            file.seek(0)
            stack.pop_all()  # closed once it was sent
    except OSError as error:
        raise StorageError(f"cannot write to {folder} ({error.strerror})") from error
    return file, moved, revision


def _imported(file: IO[bytes], sender: Party, to: Identity, gallery: Gallery) -> tuple[Moved, int]:
    return Export(file, sender, to).enrol(gallery), gallery.revision


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
