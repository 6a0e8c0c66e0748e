"""`/v1/galleries`: make, list, show and delete galleries."""

from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter

from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Counts, Receipt
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.routes import cursor as cursors
from serve.routes.erasure import receipt_report
from serve.routes.parameters import (
    After,
    Calling,
    GalleryPath,
    Limit,
    RequestId,
    Serving,
    problems,
)
from serve.schemas.galleries import GalleryDeleted, GalleryPage, GalleryReply, NewGallery

router = APIRouter(prefix="/v1/galleries", tags=["galleries"], route_class=Guarded)


class Facts(NamedTuple):
    """What is shown of a gallery."""

    contract: str
    counts: Counts
    ready: bool
    revision: int


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.ADMIN)],
    responses=problems(400, 409, 507),
)
async def create(
    service: Serving, request_id: RequestId, use: Used, new: NewGallery
) -> GalleryReply:
    """Makes an empty gallery for the service's model."""
    use.gallery = new.gallery
    facts = await service.work(partial(service.galleries.create, new.gallery, _facts))
    return _reply(request_id, new.gallery, facts)


@router.get("", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(400))
async def galleries(
    service: Serving, request_id: RequestId, caller: Calling, after: After, limit: Limit = 100
) -> GalleryPage:
    """Lists the galleries that the caller's key is for, in order of name."""
    names = await service.work(service.galleries.names)
    found = [name for name in names if caller.reaches(name) and name > (after or "")]
    page = found[:limit]
    return GalleryPage(
        request_id=request_id,
        galleries=page,
        next_cursor=cursors.encode(page[-1]) if len(found) > limit else None,
    )


@router.get("/{g}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404, 409))
async def gallery(service: Serving, request_id: RequestId, g: GalleryPath) -> GalleryReply:
    """Shows how much a gallery holds."""
    return _reply(request_id, g, await service.on(g, _facts))


@router.delete("/{g}", dependencies=[needs(Scope.GALLERY_DELETE)], responses=problems(404, 409))
async def delete(
    service: Serving, request_id: RequestId, use: Used, g: GalleryPath
) -> GalleryDeleted:
    """Erases everyone in a gallery, then removes it."""
    receipts: list[Receipt] = []
    erase = partial(_erase_everyone, receipts)
    await service.work(partial(service.galleries.delete, g, erase))
    use.detail = f"{len(receipts)} people erased"
    audit_id = await use.done()
    return GalleryDeleted(
        request_id=request_id,
        audit_id=audit_id,
        gallery=g,
        subjects_removed=len(receipts),
        templates_removed=sum(len(each.templates) for each in receipts),
        receipts=[receipt_report(g, each) for each in receipts],
    )


def _erase_everyone(receipts: list[Receipt], gallery: Gallery) -> None:
    receipts += [gallery.remove_subject(each.name) for each in gallery.subjects()]


def _reply(request_id: str, name: str, facts: Facts) -> GalleryReply:
    return GalleryReply(
        request_id=request_id,
        gallery=name,
        contract=facts.contract,
        subjects=facts.counts.subjects,
        templates={
            Modality.SILHOUETTE: facts.counts.silhouettes,
            Modality.RANGE_VIEW: facts.counts.range_views,
        },
        ready=facts.ready,
        gallery_revision=facts.revision,
    )


def _facts(gallery: Gallery) -> Facts:
    return Facts(gallery.contract, gallery.counts(), gallery.ready, gallery.revision)
