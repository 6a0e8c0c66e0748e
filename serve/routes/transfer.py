"""`/v1/galleries/{g}:export` and `:import`: a gallery as a signed and encrypted file."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import StreamingResponse

from gait.errors import AuditUnavailableError
from gallery.identity import Party
from serve.audit.use import Used
from serve.routes.asked import GalleryPath, RequestId, Serving, problems
from serve.schemas.galleries import ImportReply
from serve.scopes import Guarded, Scope, needs
from serve.transferring import export, load

router = APIRouter(prefix="/v1/galleries/{g}", tags=["galleries"], route_class=Guarded)
_PIECE = 1 << 20
_TYPE = "application/octet-stream"
_SENT: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK: {"content": {_TYPE: {}}, "description": "What `gallery.load` reads."}
}
_IDENTITY = "`.pub` file made by `python -m gallery.identity`: the public identity of "


@router.post(
    ":export",
    dependencies=[needs(Scope.ADMIN)],
    response_class=StreamingResponse,
    responses=problems(400, 404, 409, 413, 507) | _SENT,
)
async def export_gallery(
    service: Serving,
    use: Used,
    g: GalleryPath,
    to: Annotated[UploadFile, File(description=f"{_IDENTITY}the receiver.")],
) -> StreamingResponse:
    """Sends every template that has not expired, signed, and encrypted for the receiver alone.

    The file is biometric data that erasing people here does not reach.
    """
    receiver = Party.parse(await to.read())
    file, moved, use.revision = await export(service, g, receiver)
    use.detail = f"{moved.templates} templates for {receiver.verify.hex()}"
    try:
        await use.done()
    except AuditUnavailableError:
        file.close()
        raise
    size = os.fstat(file.fileno()).st_size
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{g}.gallery"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_pieces(file), media_type=_TYPE, headers=headers)


@router.post(
    ":import",
    dependencies=[needs(Scope.ADMIN)],
    responses=problems(400, 404, 409, 413, 507),
)
async def import_gallery(
    service: Serving,
    request_id: RequestId,
    use: Used,
    g: GalleryPath,
    file: Annotated[UploadFile, File(description="An export made for this service.")],
    sender: Annotated[UploadFile, File(description=f"{_IDENTITY}who must have signed it.")],
) -> ImportReply:
    """Enrols the templates of an export. All of it is checked first: a bad one changes nothing.

    Sent again, it goes on where it was cut short.
    """
    trusted = Party.parse(await sender.read())
    use.detail = f"signed by {trusted.verify.hex()}"
    moved, use.revision = await load(service, g, file.file, trusted)
    use.detail = f"{moved.templates} templates {use.detail}"
    audit_id = await use.done()
    return ImportReply(
        request_id=request_id,
        audit_id=audit_id,
        gallery=g,
        templates_enrolled=moved.templates,
        templates_present=moved.present,
        templates_expired=moved.expired,
        gallery_revision=use.revision,
    )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
