"""`/v1/galleries/{g}/subjects`: list, show, delete and merge enrolled people."""

from functools import partial

from fastapi import APIRouter

from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Receipt, Subject, Template
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.routes import cursor as cursors
from serve.routes.erasure import receipt_report
from serve.routes.parameters import (
    After,
    GalleryPath,
    Limit,
    RequestId,
    Serving,
    SubjectPath,
    problems,
)
from serve.schemas.subjects import (
    ErasureReply,
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
    service: Serving, request_id: RequestId, g: GalleryPath, after: After, limit: Limit = 100
) -> SubjectPage:
    """Lists the enrolled people in order of name."""
    found, revision = await service.on(g, partial(_some, after, limit + 1))
    page = found[:limit]
    return SubjectPage(
        request_id=request_id,
        gallery=g,
        subjects=[_report(each) for each in page],
        next_cursor=cursors.encode(page[-1].name) if len(found) > limit else None,
        gallery_revision=revision,
    )


@router.get("/{subject}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404))
async def subject(
    service: Serving, request_id: RequestId, g: GalleryPath, subject: SubjectPath
) -> SubjectReply:
    """Shows a person's templates; embeddings are never sent."""
    templates, revision = await service.on(g, partial(templates_of, subject))
    return SubjectReply(
        request_id=request_id,
        gallery=g,
        subject=subject,
        templates=[template_report(each) for each in templates],
        gallery_revision=revision,
    )


@router.delete("/{subject}", dependencies=[needs(Scope.GALLERY_DELETE)], responses=problems(404))
async def remove(
    service: Serving, request_id: RequestId, use: Used, g: GalleryPath, subject: SubjectPath
) -> ErasureReply:
    """Erases a person with all templates."""
    receipt = await service.on(g, partial(_removed, subject))
    audit_id = await use.erased(receipt)
    return ErasureReply(
        request_id=request_id, audit_id=audit_id, receipt=receipt_report(g, receipt)
    )


@router.post(
    "/{subject}:merge", dependencies=[needs(Scope.ENROL)], responses=problems(400, 404, 507)
)
async def merge(
    service: Serving,
    request_id: RequestId,
    use: Used,
    g: GalleryPath,
    subject: SubjectPath,
    body: MergeInto,
) -> MergeReply:
    """Moves a person's templates to another, when two turn out to be one; the first is gone."""
    use.detail = f"into {body.into}"
    moved, revision = await service.on(g, partial(_merged, subject, body.into))
    use.revision = revision
    audit_id = await use.done()
    return MergeReply(
        request_id=request_id,
        audit_id=audit_id,
        gallery=g,
        subject=body.into,
        templates_moved=moved,
        gallery_revision=revision,
    )


def templates_of(subject: str, gallery: Gallery) -> tuple[list[Template], int]:
    """A person's templates, and the revision at which they were these."""
    revision = gallery.revision
    return gallery.templates(subject), revision


def template_report(template: Template) -> TemplateReport:
    """A template as replies show it."""
    return TemplateReport(
        template=template.id,
        modality=template.modality,
        frames=template.frames,
        source=template.source,
        created=template.created,
        authorisation=template.authorisation,
        expires=template.expires,
    )


def _some(after: str | None, limit: int, gallery: Gallery) -> tuple[list[Subject], int]:
    revision = gallery.revision
    return gallery.subjects(after, limit), revision


def _report(subject: Subject) -> SubjectReport:
    return SubjectReport(
        subject=subject.name,
        created=subject.created,
        templates={
            Modality.SILHOUETTE: subject.silhouettes,
            Modality.RANGE_VIEW: subject.range_views,
        },
    )


def _removed(subject: str, gallery: Gallery) -> Receipt:
    return gallery.remove_subject(subject)


def _merged(subject: str, into: str, gallery: Gallery) -> tuple[int, int]:
    return gallery.merge(subject, into), gallery.revision
