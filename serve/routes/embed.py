"""`POST /v1/embed`: embeddings, for those who search elsewhere."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import JSONResponse

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import (
    CLIP_FILE,
    CurrentCall,
    HowToRead,
    Purpose,
    problems,
    read_clips,
)
from serve.routes.rejections import none_usable, rejected_clips
from serve.schemas.fields import ClipReport, Model
from serve.schemas.search import Embedding, EmbedReply
from serve.work.enrolment import embed

router = APIRouter(tags=["embed"], route_class=Guarded)


@router.post(
    "/v1/embed",
    dependencies=[needs(Scope.EMBED, Action.EMBED)],
    response_model=EmbedReply,
    responses=problems(400, 413),
)
async def embed_clips(
    call: CurrentCall,
    reading: HowToRead,
    purpose: Purpose,  # noqa: ARG001 - noted for the audit record as it is read
    clips: Annotated[list[UploadFile], File(description=f"One or several: {CLIP_FILE}")],
) -> EmbedReply | JSONResponse:
    """Embeds clips. The reply is biometric data, and nothing is stored here."""
    call.use.clips = await read_clips(call.service, clips)
    embedded = await embed(call.service, call.use.clips, reading, call.stages)
    if not embedded.embeddings:
        return none_usable(call.request_id, embedded.rejected)
    with call.stages.stage("audit"):
        audit_id = await call.use.done()
    return EmbedReply(
        request_id=call.request_id,
        audit_id=audit_id,
        embeddings=[
            Embedding(
                position=position,
                clip=ClipReport.of(clip, call.service.encoder),
                embedding=row.tolist(),
            )
            for position, (clip, row) in embedded.embeddings.items()
        ],
        rejected=rejected_clips(embedded.rejected),
        dimension=call.service.encoder.manifest.dimension,
        model=Model.of(call.service.encoder),
        timings_ms=call.stages.milliseconds,
    )
