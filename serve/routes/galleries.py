"""`/v1/galleries`: make, list, show and delete galleries."""

from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from gait.errors import GaitError, GalleryError, SubjectNotFoundError
from gait.modality import Modality
from gallery.enrolment.expiry_date import EXPIRY_MEANING, expiry_date
from gallery.gallery import Gallery
from gallery.template import Counts, Ending, Receipt, Told
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.middleware.problems import gait_problem
from serve.routes.paging import After, Limit, cursor_after
from serve.routes.parameters import (
    CurrentCall,
    GalleryPath,
    problems,
    wrong_field,
)
from serve.schemas.fields import ExpiryGiven
from serve.schemas.galleries import GalleryDeleted, GalleryPage, GalleryReply, NewGallery
from serve.schemas.subjects import EndingReply, EndingReport, ReceiptReport

router = APIRouter(prefix="/v1/galleries", tags=["galleries"], route_class=Guarded)


Everyone = Annotated[bool, Query(description="`true`: all people in the gallery are to be erased.")]


class Facts(NamedTuple):
    """What is shown of a gallery."""

    contract: str
    counts: Counts
    ready: bool
    revision: int


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.ADMIN, Action.CREATE_GALLERY)],
    responses=problems(400, 409, 507),
)
async def create(call: CurrentCall, new: NewGallery) -> GalleryReply:
    """Makes an empty gallery for the service's model."""
    call.use.note(gallery=new.gallery)
    facts = await call.service.work(partial(call.service.galleries.create, new.gallery, _facts))
    return _reply(call.request_id, new.gallery, facts)


@router.get("", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(400))
async def galleries(call: CurrentCall, after: After, limit: Limit = 100) -> GalleryPage:
    """Lists the galleries that the caller's key is for, in order of name."""
    names = await call.service.work(call.service.galleries.names)
    found = [name for name in names if call.caller.reaches(name) and name > (after or "")]
    page = found[:limit]
    return GalleryPage(
        request_id=call.request_id,
        galleries=page,
        next_cursor=cursor_after(page[-1]) if len(found) > limit else None,
    )


@router.get("/{g}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404, 409))
async def gallery(call: CurrentCall, g: GalleryPath) -> GalleryReply:
    """Shows how much a gallery holds."""
    return _reply(call.request_id, g, await call.service.on(g, _facts))


@router.get("/{g}/ending", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404))
async def ending(
    call: CurrentCall,
    g: GalleryPath,
    before: Annotated[ExpiryGiven, Query(description=f"Until when: {EXPIRY_MEANING}.")],
    limit: Limit = 100,
) -> EndingReply:
    """Lists people whose authorisation ends before a time, the first first."""
    try:
        end = expiry_date(before)
    except GalleryError as error:
        raise wrong_field("before", str(error), "query") from error
    found, count = await call.service.on(g, partial(_ending, end, limit))
    return EndingReply(
        request_id=call.request_id,
        gallery=g,
        before=end.isoformat(timespec="seconds"),
        ending=[
            EndingReport(subject=each.subject, expires=each.expires, templates=each.templates)
            for each in found
        ],
        templates=count,
    )


@router.delete(
    "/{g}",
    response_model=GalleryDeleted,
    dependencies=[needs(Scope.GALLERY_DELETE, Action.DELETE_GALLERY)],
    responses=problems(404, 507),
)
async def delete(
    call: CurrentCall, g: GalleryPath, everyone: Everyone = False
) -> GalleryDeleted | JSONResponse:
    """Erases everyone in a gallery, of whatever model, then removes it.

    If it fails on the way, the reply lists the receipts of those who are erased. The query says
    that this is meant. Some clients shorten paths: to them the path of a person called `..` is the
    path of the gallery.
    """
    if not everyone:
        raise wrong_field("everyone", "this erases all people: say everyone=true", "query")
    told: list[Receipt] = []
    erase = partial(_erase_everyone, told.append)
    try:
        await call.service.work(partial(call.service.galleries.delete, g, erase))
    except GaitError as error:
        if not told:
            raise
        call.use.note(detail=f"{len(told)} people erased")
        receipts = [ReceiptReport.of(g, each.unfinished).model_dump() for each in told]
        return gait_problem(call.request_id, error, {"receipts": receipts})
    call.use.note(detail=f"{len(told)} people erased")
    audit_id = await call.use.done()
    return GalleryDeleted(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subjects_removed=len(told),
        templates_removed=sum(len(each.templates) for each in told),
        receipts=[ReceiptReport.of(g, each) for each in told],
    )


def _ending(before: datetime, limit: int, gallery: Gallery) -> tuple[list[Ending], int]:
    return gallery.ending(before, limit), gallery.expiring(before)


def _erase_everyone(told: Told, gallery: Gallery) -> None:
    for each in gallery.subjects():
        with suppress(SubjectNotFoundError):  # gone meanwhile; or a damaged name goes with the file
            gallery.remove_subject(each.name, told)


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
