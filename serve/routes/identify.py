"""`POST /v1/identify` and its alias `/identify`."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from gallery.gallery import Found, Gallery
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import (
    CLIP_FILE,
    CLIP_PROBLEMS,
    CurrentCall,
    GivenGallery,
    HowToRead,
    Purpose,
    SearchedModality,
)
from serve.schemas.fields import ClipReport, Model, SubjectName
from serve.schemas.search import CandidateReport, IdentifyReply

router = APIRouter(tags=["identify"], route_class=Guarded)
_NEEDS = [needs(Scope.IDENTIFY, Action.IDENTIFY)]


@router.post("/identify", dependencies=_NEEDS, responses=CLIP_PROBLEMS)
@router.post("/v1/identify", dependencies=_NEEDS, responses=CLIP_PROBLEMS)
async def identify(
    call: CurrentCall,
    reading: HowToRead,
    gallery: GivenGallery,
    purpose: Purpose,  # noqa: ARG001 - noted for the audit record as it is read
    clip: Annotated[UploadFile, File(description=CLIP_FILE)],
    top_k: Annotated[int, Form(ge=1, le=100, description="Candidates wanted.")] = 5,
    gallery_modality: SearchedModality = None,
    subjects: Annotated[
        list[SubjectName] | None,
        Form(max_length=1000, description="Search these people only; repeat the field."),
    ] = None,
    all_candidates: Annotated[
        bool, Form(description="Also list candidates too unlike the clip to be a possible match.")
    ] = False,
) -> IdentifyReply:
    """Decides whether the person in a silhouette or range-view clip is enrolled, and who it is."""
    service, stages = call.service, call.stages
    call.use.clips = [await clip.read()]
    probe = await service.decode(call.use.clips[0], reading, stages)
    (embedding,) = await service.embed([probe.clip], stages)

    def search(within: Gallery) -> Found:
        with stages.stage("search"):
            return within.search(
                embedding,
                probe.clip.modality,
                service.settings.policy,
                top_k=top_k,
                modality=gallery_modality,
                subjects=subjects,
            )

    found = await service.on(gallery, search)
    decision = found.decision
    candidates = found.candidates if all_candidates else decision.shown(found.candidates)
    call.use.saw(candidates, found.revision)
    call.use.decided(decision, probe.clip.modality)
    with stages.stage("audit"):
        audit_id = await call.use.done()
    return IdentifyReply(
        request_id=call.request_id,
        audit_id=audit_id,
        decision=decision.verdict,
        thresholds=decision.thresholds,
        undecided=decision.undecided,
        candidates=[CandidateReport.model_validate(each) for each in candidates],
        probe=ClipReport.of(probe, service.encoder),
        gallery=gallery,
        gallery_modality=gallery_modality,
        gallery_revision=found.revision,
        model=Model.of(service.encoder),
        timings_ms=stages.milliseconds,
    )
