"""`/v1/galleries/{g}/subjects/{subject}/templates`: enrol clips, list, show and delete."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gait.errors import TemplateNotFoundError
from gallery.gallery import Gallery
from gallery.template import Receipt, Template
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.routes import cursor as cursors
from serve.routes.embed import none_usable, rejected_clips
from serve.routes.erasure import receipt_report
from serve.routes.parameters import (
    CLIP_FILE,
    After,
    Authorised,
    GalleryPath,
    HowToRead,
    Limit,
    RequestId,
    Serving,
    SubjectPath,
    TemplatePath,
    Timing,
    problems,
    read_clips,
)
from serve.routes.subjects import template_report, templates_of
from serve.schemas.fields import ClipReport
from serve.schemas.subjects import (
    EnrolReply,
    ErasureReply,
    TemplateAdded,
    TemplatePage,
    TemplateReply,
)
from serve.work.enrolment import Person, enrol

router = APIRouter(
    prefix="/v1/galleries/{g}/subjects/{subject}/templates",
    tags=["templates"],
    route_class=Guarded,
)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=EnrolReply,
    dependencies=[needs(Scope.ENROL)],
    responses=problems(400, 404, 413, 507),
)
async def add(
    service: Serving,
    request_id: RequestId,
    stages: Timing,
    reading: HowToRead,
    authorisation: Authorised,
    use: Used,
    g: GalleryPath,
    subject: SubjectPath,
    clips: Annotated[list[UploadFile], File(description=f"One or several: {CLIP_FILE}")],
) -> EnrolReply | JSONResponse:
    """Enrols clips as templates of a person, who need not be enrolled yet.

    Clips that cannot be used are listed with the reason; the others are enrolled together. If none
    can be used the reply is 422, with the same list.
    """
    person = Person(g, subject, f"api request {request_id}", authorisation)
    use.clips, use.detail = await read_clips(service, clips), authorisation.reference
    outcome = await enrol(service, person, use.clips, reading, stages)
    if not outcome.templates:
        return none_usable(request_id, outcome.rejected)
    use.templates = tuple(id_ for id_, _ in outcome.templates.values())
    use.revision = outcome.revision
    audit_id = await use.done()
    return EnrolReply(
        request_id=request_id,
        audit_id=audit_id,
        gallery=g,
        subject=subject,
        templates=[
            TemplateAdded(
                position=position, template=template, clip=ClipReport.of(clip, service.encoder)
            )
            for position, (template, clip) in outcome.templates.items()
        ],
        rejected=rejected_clips(outcome.rejected),
        erased=outcome.erased,
        gallery_revision=outcome.revision,
    )


@router.get("", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(400, 404))
async def templates(
    service: Serving,
    request_id: RequestId,
    g: GalleryPath,
    subject: SubjectPath,
    after: After,
    limit: Limit = 100,
) -> TemplatePage:
    """Lists a person's templates, the oldest first; embeddings are never sent."""
    last = _id(after)
    every, revision = await service.on(g, partial(templates_of, subject))
    found = [each for each in every if each.id > last]
    page = found[:limit]
    return TemplatePage(
        request_id=request_id,
        gallery=g,
        subject=subject,
        templates=[template_report(each) for each in page],
        next_cursor=cursors.encode(str(page[-1].id)) if len(found) > limit else None,
        gallery_revision=revision,
    )


@router.get("/{template}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404))
async def template(
    service: Serving,
    request_id: RequestId,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> TemplateReply:
    """Shows one template of a person."""
    every, revision = await service.on(g, partial(templates_of, subject))
    return TemplateReply(
        request_id=request_id,
        gallery=g,
        subject=subject,
        template=template_report(_one(every, template)),
        gallery_revision=revision,
    )


@router.delete("/{template}", dependencies=[needs(Scope.GALLERY_DELETE)], responses=problems(404))
async def remove(
    service: Serving,
    use: Used,
    request_id: RequestId,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> ErasureReply:
    """Erases one template; a person's last one takes the person along."""
    receipt = await service.on(g, partial(_removed, subject, template))
    audit_id = await use.erased(receipt)
    return ErasureReply(
        request_id=request_id, audit_id=audit_id, receipt=receipt_report(g, receipt)
    )


def _id(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isascii() or not after.isdigit():
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, "the cursor is not one that a page of templates gave"
        )
    return int(after[:20])


def _one(templates: list[Template], wanted: int) -> Template:
    for each in templates:
        if each.id == wanted:
            return each
    raise TemplateNotFoundError(f"this person has no template {wanted}", template=wanted)


def _removed(subject: str, template: int, gallery: Gallery) -> Receipt:
    _one(gallery.templates(subject), template)
    return gallery.remove_template(template)
