"""`/v1/galleries/{g}/subjects`: list, show, delete and merge enrolled people."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Authorisation, Receipt, Subject, Template, Told, iso_time
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.erasure import erased
from serve.routes.paging import After, Limit, cursor_after
from serve.routes.parameters import (
    CurrentCall,
    GalleryPath,
    SubjectPath,
    authorised,
    problems,
)
from serve.schemas.fields import SubjectName
from serve.schemas.subjects import (
    ErasureReply,
    ExtendReply,
    ExtendUntil,
    MergeInto,
    MergeReply,
    SubjectPage,
    SubjectReply,
    SubjectReport,
    TemplateReport,
)

router = APIRouter(prefix="/v1/galleries/{g}/subjects", tags=["subjects"], route_class=Guarded)


@router.get("", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(400, 404))
async def subjects(
    call: CurrentCall,
    g: GalleryPath,
    after: After,
    limit: Limit = 100,
    contains: Annotated[
        SubjectName | None,
        Query(description="Only names that hold this; letters a to z in capitals or not."),
    ] = None,
) -> SubjectPage:
    """Lists the enrolled people in order of name."""
    found, revision = await call.service.on(g, partial(_some, after, limit + 1, contains))
    page = found[:limit]
    return SubjectPage(
        request_id=call.request_id,
        gallery=g,
        subjects=[_report(each) for each in page],
        next_cursor=cursor_after(page[-1].name) if len(found) > limit else None,
        gallery_revision=revision,
    )


@router.get("/{subject}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404))
async def subject(call: CurrentCall, g: GalleryPath, subject: SubjectPath) -> SubjectReply:
    """Shows a person's templates; embeddings are never sent."""
    templates, revision = await call.service.on(g, partial(_templates, subject))
    return SubjectReply(
        request_id=call.request_id,
        gallery=g,
        subject=subject,
        templates=[TemplateReport.of(each) for each in templates],
        gallery_revision=revision,
    )


@router.delete(
    "/{subject}", dependencies=[needs(Scope.GALLERY_DELETE, Action.REMOVE)], responses=problems(404)
)
async def remove(call: CurrentCall, g: GalleryPath, subject: SubjectPath) -> ErasureReply:
    """Erases a person with all templates."""
    return await erased(call, g, partial(_removed, subject))


@router.post(
    "/{subject}:extend",
    dependencies=[needs(Scope.ENROL, Action.EXTEND)],
    responses=problems(400, 404, 507),
)
async def extend(
    call: CurrentCall, g: GalleryPath, subject: SubjectPath, body: ExtendUntil
) -> ExtendReply:
    """Gives all templates of a person another authorisation, as when consent is given anew.

    An earlier end is taken too: consent may be cut short.
    """
    authorisation = authorised(body.authorisation, body.expires)
    call.use.note(detail=f"{authorisation.reference}, until {authorisation.expires.isoformat()}")
    count, revision = await call.service.on(g, partial(_extended, subject, authorisation))
    call.use.note(revision=revision)
    audit_id = await call.use.done()
    return ExtendReply(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subject=subject,
        templates=count,
        expires=iso_time(authorisation.seconds),
        gallery_revision=revision,
    )


@router.post(
    "/{subject}:merge",
    dependencies=[needs(Scope.ENROL, Action.MERGE)],
    responses=problems(400, 404, 507),
)
async def merge(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    body: MergeInto,
) -> MergeReply:
    """Moves a person's templates to another, when two turn out to be one; the first is gone."""
    call.use.note(detail=f"into {body.into}")
    moved, revision = await call.service.on(g, partial(_merged, subject, body.into))
    call.use.note(revision=revision)
    audit_id = await call.use.done()
    return MergeReply(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subject=body.into,
        templates_moved=moved,
        gallery_revision=revision,
    )


def _templates(subject: str, gallery: Gallery) -> tuple[list[Template], int]:
    revision = gallery.revision
    return gallery.templates(subject), revision


def _some(
    after: str | None, limit: int, contains: str | None, gallery: Gallery
) -> tuple[list[Subject], int]:
    revision = gallery.revision
    return gallery.subjects(after, limit, contains), revision


def _extended(subject: str, authorisation: Authorisation, gallery: Gallery) -> tuple[int, int]:
    return gallery.authorise(subject, authorisation), gallery.revision


def _report(subject: Subject) -> SubjectReport:
    return SubjectReport(
        subject=subject.name,
        created=subject.created,
        templates={
            Modality.SILHOUETTE: subject.silhouettes,
            Modality.RANGE_VIEW: subject.range_views,
        },
    )


def _removed(subject: str, gallery: Gallery, told: Told) -> Receipt:
    return gallery.remove_subject(subject, told)


def _merged(subject: str, into: str, gallery: Gallery) -> tuple[int, int]:
    return gallery.merge(subject, into), gallery.revision
