"""`POST /v1/identify` and its alias `/identify`."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.routes.parameters import (
    CLIP_FILE,
    CLIP_PROBLEMS,
    GivenGallery,
    HowToRead,
    Purpose,
    RequestId,
    SearchedModality,
    Serving,
    Timing,
)
from serve.schemas.fields import ClipReport, Model
from serve.schemas.search import CandidateReport, IdentifyReply
from serve.work.comparison import Found, Search, identify

router = APIRouter(tags=["identify"], route_class=Guarded)
_ASKS = [needs(Scope.IDENTIFY)]


@router.post("/identify", dependencies=_ASKS, responses=CLIP_PROBLEMS)
@router.post("/v1/identify", dependencies=_ASKS, responses=CLIP_PROBLEMS)
async def identify_clip(
    service: Serving,
    request_id: RequestId,
    stages: Timing,
    reading: HowToRead,
    gallery: GivenGallery,
    purpose: Purpose,
    use: Used,
    clip: Annotated[UploadFile, File(description=CLIP_FILE)],
    top_k: Annotated[int, Form(ge=1, le=100, description="Candidates wanted.")] = 5,
    gallery_modality: SearchedModality = None,
    subjects: Annotated[
        list[str] | None,
        Form(max_length=1000, description="Search these people only; repeat the field."),
    ] = None,
) -> IdentifyReply:
    """Finds the enrolled people most like the one in a silhouette or range-view clip."""
    search = Search(gallery, top_k, gallery_modality, subjects)
    use.purpose = purpose
    use.clips = [await clip.read()]
    found = await identify(service, use.clips[0], reading, search, stages)
    use.saw(found.candidates, found.revision)
    with stages.stage("audit"):
        audit_id = await use.done()
    return IdentifyReply(
        request_id=request_id,
        audit_id=audit_id,
        decision=None,
        thresholds=None,
        candidates=_candidates(found),
        probe=ClipReport.of(found.probe, service.encoder),
        gallery=gallery,
        gallery_modality=gallery_modality,
        gallery_revision=found.revision,
        model=Model.of(service.encoder),
        timings_ms=stages.milliseconds,
    )


def _candidates(found: Found) -> list[CandidateReport]:
    return [
        CandidateReport(
            subject=each.subject,
            similarity=each.similarity,
            template=each.template,
            modality=each.modality,
        )
        for each in found.candidates
    ]
