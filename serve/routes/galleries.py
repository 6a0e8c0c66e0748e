"""`/v1/galleries`: make, list, show and delete galleries."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter

from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Counts, Receipt
from serve import cursor as cursors
from serve.routes.asked import (
    After,
    Calling,
    GalleryPath,
    Limit,
    RequestId,
    Serving,
    problems,
)
from serve.routes.erasure import receipt_report
from serve.schemas.galleries import GalleryDeleted, GalleryPage, GalleryReply, NewGallery
from serve.scopes import Guarded, Scope, needs
from serve.service import Service

router = APIRouter(prefix="/v1/galleries", tags=["galleries"], route_class=Guarded)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.ADMIN)],
    responses=problems(400, 409, 507),
)
async def create(service: Serving, request_id: RequestId, new: NewGallery) -> GalleryReply:
    """Makes an empty gallery for the service's model."""
    await service.work(partial(service.galleries.create, new.gallery))
    return await _shown(service, request_id, new.gallery)


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
    return await _shown(service, request_id, g)


@router.delete("/{g}", dependencies=[needs(Scope.GALLERY_DELETE)], responses=problems(404, 409))
async def delete(service: Serving, request_id: RequestId, g: GalleryPath) -> GalleryDeleted:
    """Erases everyone in a gallery, then removes it."""
    receipts: list[Receipt] = []
    erase = partial(_erase_everyone, receipts)
    await service.work(partial(service.galleries.delete, g, erase))
    return GalleryDeleted(
        request_id=request_id,
        audit_id=None,
        gallery=g,
        subjects_removed=len(receipts),
        templates_removed=sum(len(each.templates) for each in receipts),
        receipts=[receipt_report(g, each) for each in receipts],
    )


def _erase_everyone(receipts: list[Receipt], gallery: Gallery) -> None:
    receipts += [gallery.remove_subject(each.name) for each in gallery.subjects()]


async def _shown(service: Service, request_id: str, name: str) -> GalleryReply:
    contract, counts, ready, revision = await service.on(name, _facts)
    return GalleryReply(
        request_id=request_id,
        gallery=name,
        contract=contract,
        subjects=counts.subjects,
        templates={
            Modality.SILHOUETTE: counts.silhouettes,
            Modality.RANGE_VIEW: counts.range_views,
        },
        ready=ready,
        gallery_revision=revision,
    )


def _facts(gallery: Gallery) -> tuple[str, Counts, bool, int]:
    return gallery.contract, gallery.counts(), gallery.ready, gallery.revision
