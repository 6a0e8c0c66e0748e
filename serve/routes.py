"""The routes: HTTP in and out; the work is `serve.service`'s."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, UploadFile
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gait.modality import Modality
from gait.range_view import Forward
from serve import cursor as cursors
from serve.problems import MEDIA_TYPE, problem, request_id_of
from serve.schemas import (
    CandidateReport,
    ClipRejected,
    ClipReport,
    EnrolReply,
    IdentifyReply,
    Model,
    RemoveReply,
    SubjectPage,
    SubjectReply,
    SubjectReport,
    TemplateAdded,
    TemplateReport,
)
from serve.service import Enrolled, Service

_STATED = {
    400: "The request cannot be read.",
    401: "A key is needed.",
    404: "No such subject.",
    409: "The gallery holds nothing to search.",
    413: "The body, or what is in the clip, is too large.",
    415: "The clip is of no format read here.",
    422: "A field is wrong, or the file cannot be a clip.",
    429: "Too many requests are waiting.",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _STATED[status], "content": content} for status in statuses}


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


Serving = Annotated[Service, Depends(_service)]
RequestId = Annotated[str, Depends(request_id_of)]
Name = Annotated[str, Path(description="The person's name or number.", examples=["0042"])]
GivenModality = Annotated[
    Modality | None, Form(description="What the clip shows; found in the content if left out.")
]
GivenForward = Annotated[
    Forward,
    Form(description="Sensor axis that points at the walker; for point clouds only."),
]

identify_router = APIRouter(tags=["identify"])
subjects_router = APIRouter(prefix="/v1/subjects", tags=["subjects"])


@identify_router.post("/identify", responses=_problems(400, 401, 409, 413, 415, 422, 429))
@identify_router.post("/v1/identify", responses=_problems(400, 401, 409, 413, 415, 422, 429))
async def identify(
    service: Serving,
    request_id: RequestId,
    clip: Annotated[
        UploadFile,
        File(
            description=".npy/.npz frames, zip of PNG/JPEG, mp4/avi/gif of silhouettes, or zip of "
            ".pcd/.bin/.npy point clouds"
        ),
    ],
    top_k: Annotated[int, Form(ge=1, le=100, description="Candidates wanted.")] = 5,
    modality: GivenModality = None,
    gallery_modality: Annotated[
        Modality | None, Form(description="Search templates of this modality only.")
    ] = None,
    forward: GivenForward = Forward.PLUS_X,
) -> IdentifyReply:
    """Finds the enrolled people most like the one in a silhouette or range-view clip."""
    data = await clip.read()
    found = await service.work(
        partial(
            service.identify,
            data,
            top_k=top_k,
            modality=modality,
            searched=gallery_modality,
            forward=forward,
        )
    )
    return IdentifyReply(
        request_id=request_id,
        decision=None,
        thresholds=None,
        candidates=[
            CandidateReport(
                subject=each.subject,
                similarity=each.similarity,
                template=each.template,
                modality=each.modality,
            )
            for each in found.candidates
        ],
        probe=ClipReport.of(found.probe),
        gallery_modality=gallery_modality,
        gallery_revision=found.revision,
        model=Model(
            contract=service.encoder.contract, simulated=service.encoder.manifest.simulated
        ),
        timings_ms={stage: round(took, 3) for stage, took in found.milliseconds.items()},
    )


@subjects_router.post(
    "/{subject}/templates",
    status_code=HTTPStatus.CREATED,
    response_model=EnrolReply,
    responses=_problems(400, 401, 413, 422, 429),
)
async def enrol(
    service: Serving,
    request_id: RequestId,
    subject: Name,
    clips: Annotated[list[UploadFile], File(description="One clip file or several.")],
    modality: GivenModality = None,
    forward: GivenForward = Forward.PLUS_X,
) -> EnrolReply | JSONResponse:
    """Enrols clips as templates of a person, who need not be enrolled yet.

    Clips that cannot be used are listed with the reason; the others are enrolled together. If none
    can be used the reply is 422, with the same list.
    """
    most = service.settings.max_clips
    if len(clips) > most:
        detail = f"got {len(clips)} clips, at most {most} are enrolled at once"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    files = [await clip.read() for clip in clips]
    outcome = await service.work(
        partial(
            service.enrol,
            subject,
            files,
            modality=modality,
            forward=forward,
            source=f"api request {request_id}",
        )
    )
    rejected = _rejected(outcome)
    if not outcome.templates:
        return problem(
            request_id,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "enrol.no_usable_clip",
            f"none of the {len(clips)} clips can be used, see `rejected`",
            fields={"rejected": [each.model_dump() for each in rejected]},
        )
    return EnrolReply(
        request_id=request_id,
        subject=subject,
        templates=[
            TemplateAdded(position=position, template=template, clip=ClipReport.of(clip))
            for position, (template, clip) in outcome.templates.items()
        ],
        rejected=rejected,
        gallery_revision=outcome.revision,
    )


def _rejected(outcome: Enrolled) -> list[ClipRejected]:
    return [
        ClipRejected(position=position, code=error.code, detail=str(error))
        for position, error in outcome.rejected.items()
    ]


@subjects_router.get("", responses=_problems(400, 401, 422))
def subjects(
    service: Serving,
    request_id: RequestId,
    limit: Annotated[int, Query(ge=1, le=1000, description="People on a page.")] = 100,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> SubjectPage:
    """Lists the enrolled people in order of name."""
    after = None if cursor is None else cursors.decode(cursor)
    revision = service.gallery.revision
    found = service.gallery.subjects(after, limit + 1)
    page = found[:limit]
    return SubjectPage(
        request_id=request_id,
        subjects=[
            SubjectReport(
                subject=each.name,
                created=each.created,
                templates={
                    Modality.SILHOUETTE: each.silhouettes,
                    Modality.RANGE_VIEW: each.range_views,
                },
            )
            for each in page
        ],
        next_cursor=cursors.encode(page[-1].name) if len(found) > limit else None,
        gallery_revision=revision,
    )


@subjects_router.get("/{subject}", responses=_problems(401, 404, 422))
def subject(service: Serving, request_id: RequestId, subject: Name) -> SubjectReply:
    """Shows a person's templates; embeddings are never sent."""
    revision = service.gallery.revision
    return SubjectReply(
        request_id=request_id,
        subject=subject,
        templates=[
            TemplateReport(
                template=each.id,
                modality=each.modality,
                frames=each.frames,
                source=each.source,
                created=each.created,
            )
            for each in service.gallery.templates(subject)
        ],
        gallery_revision=revision,
    )


@subjects_router.delete("/{subject}", responses=_problems(401, 404, 422, 429))
async def remove(service: Serving, request_id: RequestId, subject: Name) -> RemoveReply:
    """Deletes a person and all templates."""
    removed = await service.work(partial(service.gallery.remove_subject, subject))
    return RemoveReply(
        request_id=request_id,
        subject=subject,
        templates_removed=removed,
        gallery_revision=service.gallery.revision,
    )
