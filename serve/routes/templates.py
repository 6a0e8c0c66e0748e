"""`/v1/galleries/{g}/subjects/{subject}/templates`: enrol clips, list, show and delete."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse

from gait.errors import TemplateNotFoundError
from gait.modality import Modality
from gait.moving_picture import MovingPicture
from gallery.gallery import Gallery
from gallery.template import Candidate, Receipt, Template, Told
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.erasure import erased
from serve.routes.paging import AfterNumber, Limit, cursor_after
from serve.routes.parameters import (
    CLIP_FILE,
    Authorised,
    CurrentCall,
    GalleryPath,
    HowToRead,
    SubjectPath,
    TemplatePath,
    problems,
    read_clips,
)
from serve.routes.rejections import none_usable, rejected_clips
from serve.schemas.fields import ClipReport
from serve.schemas.frames import PictureReply, shown
from serve.schemas.subjects import (
    AlikeReport,
    ClipChecked,
    DuplicateClip,
    EnrolmentCheck,
    EnrolReply,
    ErasureReply,
    TemplateAdded,
    TemplatePage,
    TemplateReply,
    TemplateReport,
)
from serve.work.enrolment import Person, store
from serve.work.enrolment import check as check_clips

router = APIRouter(
    prefix="/v1/galleries/{g}/subjects/{subject}/templates",
    tags=["templates"],
    route_class=Guarded,
)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=EnrolReply,
    dependencies=[needs(Scope.ENROL, Action.ENROL)],
    responses=problems(400, 404, 413, 507),
)
async def add(
    call: CurrentCall,
    reading: HowToRead,
    authorisation: Authorised,
    g: GalleryPath,
    subject: SubjectPath,
    clips: Annotated[list[UploadFile], File(description=f"One or several: {CLIP_FILE}")],
    new_person: Annotated[
        bool,
        Form(
            description="The person is not enrolled under another name: do not refuse the clips, "
            "whomever they match."
        ),
    ] = False,
    keep_pictures: Annotated[
        bool,
        Form(
            description="Also keep a short moving picture of each clip for people to look at, "
            "encrypted under the person's key and erased with it."
        ),
    ] = False,
) -> EnrolReply | JSONResponse:
    """Enrols clips as templates of a person, who need not be enrolled yet.

    Clips that cannot be used are listed with the reason; the others are enrolled together. If none
    can be used the reply is 422, with the same list. With keys that may identify, a person whose
    clips match somebody else is refused in the mode `strict` (`gallery.subject_duplicate`): enrol
    the clips under that name, merge the two, or send `new_person`.
    """
    person = Person(g, subject, new_person, keep_pictures)
    call.use.clips = await read_clips(call.service, clips)
    reason = authorisation.reference + ("; pictures kept" if keep_pictures else "")
    call.use.note(detail=reason)
    compare = Scope.IDENTIFY in call.caller.scopes
    service, stages = call.service, call.stages
    found = await check_clips(service, person, call.use.clips, reading, stages, compare=compare)
    source = f"api request {call.request_id}"
    stored = await store(service, person, found, stages, source, authorisation)
    others = [other for some in found.alike.values() for other in some]
    call.use.saw(others, stored.revision or None)
    if not stored.templates:
        if others:  # whom the refusal names; records keep candidates of what was done only
            names = ", ".join(dict.fromkeys(each.subject for each in others))
            call.use.note(detail=f"{reason}; the clips match {names}")
        return none_usable(call.request_id, found.rejected)
    call.use.note(templates=tuple(id_ for id_, _ in stored.templates.values()))
    audit_id = await call.use.done()
    return EnrolReply(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subject=subject,
        templates=[
            TemplateAdded(
                position=position, template=template, clip=ClipReport.of(clip, call.service.encoder)
            )
            for position, (template, clip) in stored.templates.items()
        ],
        rejected=rejected_clips(found.rejected),
        alike=_alike(found.alike),
        duplicates=_duplicates(found.duplicates),
        erased=stored.erased,
        gallery_revision=stored.revision,
    )


@router.post(
    ":check",
    response_model=EnrolmentCheck,
    dependencies=[needs(Scope.ENROL, Action.CHECK_ENROLMENT)],
    responses=problems(400, 404, 413),
)
async def check(
    call: CurrentCall,
    reading: HowToRead,
    g: GalleryPath,
    subject: SubjectPath,
    clips: Annotated[list[UploadFile], File(description=f"One or several: {CLIP_FILE}")],
    new_person: Annotated[
        bool, Form(description="As in an enrolment: do not refuse clips that match somebody else.")
    ] = False,
) -> EnrolmentCheck:
    """Says what an enrolment of these clips would do now; stores nothing.

    Whom else the clips match is told to keys that may identify.
    """
    call.use.clips = await read_clips(call.service, clips)
    compare = Scope.IDENTIFY in call.caller.scopes
    person = Person(g, subject, new_person)
    found = await check_clips(
        call.service, person, call.use.clips, reading, call.stages, compare=compare
    )
    call.use.saw([other for some in found.alike.values() for other in some], found.revision)
    audit_id = await call.use.done()
    return EnrolmentCheck(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subject=subject,
        known=found.known,
        usable=[
            ClipChecked(position=position, clip=ClipReport.of(clip, call.service.encoder))
            for position, (clip, _) in found.embeddings.items()
        ],
        rejected=rejected_clips(found.rejected),
        alike=_alike(found.alike),
        duplicates=_duplicates(found.duplicates),
    )


@router.get("", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(400, 404))
async def templates(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    after: AfterNumber,
    limit: Limit = 100,
) -> TemplatePage:
    """Lists a person's templates, the oldest first; embeddings are never sent."""
    every, revision = await call.service.on(g, partial(_templates, subject))
    found = [each for each in every if each.id > after]
    page = found[:limit]
    return TemplatePage(
        request_id=call.request_id,
        gallery=g,
        subject=subject,
        templates=[TemplateReport.of(each) for each in page],
        next_cursor=cursor_after(page[-1].id) if len(found) > limit else None,
        gallery_revision=revision,
    )


@router.get("/{template}", dependencies=[needs(Scope.GALLERY_READ)], responses=problems(404))
async def template(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> TemplateReply:
    """Shows one template of a person."""
    every, revision = await call.service.on(g, partial(_templates, subject))
    return TemplateReply(
        request_id=call.request_id,
        gallery=g,
        subject=subject,
        template=TemplateReport.of(_one(every, template)),
        gallery_revision=revision,
    )


@router.get(
    "/{template}/picture",
    dependencies=[needs(Scope.GALLERY_READ, Action.SHOW_PICTURE)],
    responses=problems(404),
)
async def picture(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> PictureReply:
    """Shows the moving picture of an enrolled clip, if one was kept. Looking at it is recorded."""
    kept, modality, revision = await call.service.on(g, partial(_picture, subject, template))
    call.use.note(revision=revision)
    audit_id = await call.use.done()
    return PictureReply(
        request_id=call.request_id,
        audit_id=audit_id,
        gallery=g,
        subject=subject,
        template=template,
        modality=modality,
        **shown(kept),
    )


@router.delete(
    "/{template}/picture",
    dependencies=[needs(Scope.GALLERY_DELETE, Action.REMOVE_PICTURE)],
    responses=problems(404),
)
async def remove_picture(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> ErasureReply:
    """Erases the moving picture that was kept of an enrolled clip; its template stays.

    As when consent to the picture alone is withdrawn. Searches find the person as before.
    """
    return await erased(call, g, partial(_picture_removed, subject, template))


@router.delete(
    "/{template}",
    dependencies=[needs(Scope.GALLERY_DELETE, Action.REMOVE)],
    responses=problems(404),
)
async def remove(
    call: CurrentCall,
    g: GalleryPath,
    subject: SubjectPath,
    template: TemplatePath,
) -> ErasureReply:
    """Erases one template; a person's last one takes the person along."""
    return await erased(call, g, partial(_removed, subject, template))


def _alike(alike: dict[int, list[Candidate]]) -> list[AlikeReport]:
    return [
        AlikeReport(position=position, subject=other.subject, similarity=other.similarity)
        for position, others in alike.items()
        for other in others
    ]


def _duplicates(duplicates: dict[int, list[str]]) -> list[DuplicateClip]:
    return [DuplicateClip(position=at, others=others) for at, others in duplicates.items()]


def _templates(subject: str, gallery: Gallery) -> tuple[list[Template], int]:
    revision = gallery.revision
    return gallery.templates(subject), revision


def _one(templates: list[Template], wanted: int) -> Template:
    for each in templates:
        if each.id == wanted:
            return each
    raise TemplateNotFoundError(f"this person has no template {wanted}", template=wanted)


def _picture(subject: str, template: int, gallery: Gallery) -> tuple[MovingPicture, Modality, int]:
    revision = gallery.revision
    picture = gallery.picture(subject, template)
    return picture, gallery.template(template).modality, revision


def _picture_removed(subject: str, template: int, gallery: Gallery, told: Told) -> Receipt:
    return gallery.remove_picture(subject, template, told)


def _removed(subject: str, template: int, gallery: Gallery, told: Told) -> Receipt:
    _one(gallery.templates(subject), template)
    return gallery.remove_template(template, told)
