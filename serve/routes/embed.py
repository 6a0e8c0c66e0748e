"""`POST /v1/embed`: embeddings, for those who search elsewhere."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import JSONResponse

from gait.errors import GaitError
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.middleware.problems import problem
from serve.routes.parameters import (
    CLIP_FILE,
    HowToRead,
    Purpose,
    RequestId,
    Serving,
    Timing,
    problems,
    read_clips,
)
from serve.schemas.fields import ClipRejected, ClipReport, Model
from serve.schemas.search import Embedding, EmbedReply
from serve.work.enrolment import embed

router = APIRouter(tags=["embed"], route_class=Guarded)


@router.post(
    "/v1/embed",
    dependencies=[needs(Scope.EMBED)],
    response_model=EmbedReply,
    responses=problems(400, 413),
)
async def embed_clips(
    service: Serving,
    request_id: RequestId,
    stages: Timing,
    reading: HowToRead,
    purpose: Purpose,
    use: Used,
    clips: Annotated[list[UploadFile], File(description=f"One or several: {CLIP_FILE}")],
) -> EmbedReply | JSONResponse:
    """Embeds clips. The reply is biometric data, and nothing is stored here."""
    use.purpose = purpose
    use.clips = await read_clips(service, clips)
    embedded = await embed(service, use.clips, reading, stages)
    if not embedded.embeddings:
        return none_usable(request_id, embedded.rejected)
    with stages.stage("audit"):
        audit_id = await use.done()
    return EmbedReply(
        request_id=request_id,
        audit_id=audit_id,
        embeddings=[
            Embedding(
                position=position, clip=ClipReport.of(clip, service.encoder), embedding=row.tolist()
            )
            for position, (clip, row) in embedded.embeddings.items()
        ],
        rejected=rejected_clips(embedded.rejected),
        dimension=service.encoder.manifest.dimension,
        model=Model.of(service.encoder),
        timings_ms=stages.milliseconds,
    )


def rejected_clips(rejected: dict[int, GaitError]) -> list[ClipRejected]:
    """Why clips were not used."""
    return [
        ClipRejected(position=position, code=error.code, detail=str(error))
        for position, error in rejected.items()
    ]


def none_usable(request_id: str, rejected: dict[int, GaitError]) -> JSONResponse:
    """The refusal of a request without a single usable clip."""
    reports = [each.model_dump() for each in rejected_clips(rejected)]
    detail = f"none of the {len(reports)} clips can be used, see `rejected`"
    fields = {"rejected": reports}
    return problem(
        request_id, HTTPStatus.UNPROCESSABLE_ENTITY, "clips.none_usable", detail, fields=fields
    )
