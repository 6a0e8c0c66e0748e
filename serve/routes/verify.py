"""`POST /v1/verify`: is this the person they say they are, or the one in that clip?"""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from gait.decode import Decoded
from gallery.decision.decision import Decision, Searched, decide
from gallery.gallery import Found, Gallery
from gallery.search.cohort import similarity_of
from gallery.template import Candidate, Vector
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import (
    CLIP_FILE,
    CLIP_PROBLEMS,
    Call,
    CurrentCall,
    GivenGallery,
    GivenModality,
    HowToRead,
    Purpose,
    SearchedModality,
    wrong_field,
)
from serve.schemas.fields import ClipReport, Model, SubjectName
from serve.schemas.search import Enrolled, VerifyReply
from serve.work.service import Reading

router = APIRouter(tags=["verify"], route_class=Guarded)


@router.post(
    "/v1/verify",
    dependencies=[needs(Scope.VERIFY, Action.VERIFY)],
    responses=CLIP_PROBLEMS,
)
async def verify(
    call: CurrentCall,
    reading: HowToRead,
    gallery: GivenGallery,
    purpose: Purpose,  # noqa: ARG001 - noted for the audit record as it is read
    clip: Annotated[UploadFile, File(description=CLIP_FILE)],
    subject: Annotated[
        SubjectName | None, Form(description="The enrolled person to compare with.")
    ] = None,
    other: Annotated[
        UploadFile | None, File(description="A second clip to compare with, instead.")
    ] = None,
    other_modality: GivenModality = None,
    gallery_modality: SearchedModality = None,
) -> VerifyReply:
    """Compares the person in a clip with an enrolled person, or with the one in another clip."""
    if (subject is None) == (other is None):
        raise wrong_field("subject", "give either `subject` or `other`: compare with whom?")
    call.use.clips = [await clip.read()]
    enrolled, second = None, None
    if other is not None:
        call.use.clips.append(await other.read())
        call.use.known.pop("gallery", None)
        readings = [reading, Reading(other_modality, reading.source)]
        (probe, second), (one, two) = await _embedded(call, readings)
        cohort, modality = call.service.cohort, probe.clip.modality
        similarity = similarity_of(cohort, (modality, one), (second.clip.modality, two))
        decision = _of_two_clips(call, probe, second, similarity)
    else:
        assert subject is not None
        call.use.note(subject=subject)
        (probe,), (embedding,) = await _embedded(call, [reading])

        policy, modality = call.service.settings.policy, probe.clip.modality

        def compare(within: Gallery) -> Found:
            with call.stages.stage("search"):
                return within.verify(
                    embedding, modality, subject, policy, modality=gallery_modality
                )

        found = await call.service.on(gallery, compare)
        decision, (match,) = found.decision, found.candidates
        call.use.saw([match], found.revision)
        similarity = match.similarity
        enrolled = Enrolled(
            gallery=gallery,
            subject=match.subject,
            template=match.template,
            modality=match.modality,
            gallery_revision=found.revision,
        )
    call.use.decided(decision, probe.clip.modality)
    with call.stages.stage("audit"):
        audit_id = await call.use.done()
    encoder = call.service.encoder
    return VerifyReply(
        request_id=call.request_id,
        audit_id=audit_id,
        decision=decision.verdict,
        thresholds=decision.thresholds,
        undecided=decision.undecided,
        similarity=similarity,
        probe=ClipReport.of(probe, encoder),
        other=None if second is None else ClipReport.of(second, encoder),
        enrolled=enrolled,
        model=Model.of(encoder),
        timings_ms=call.stages.milliseconds,
    )


def _of_two_clips(call: Call, probe: Decoded, other: Decoded, similarity: float) -> Decision:
    """The decision about two clips, by the calibration of the model's bundle."""
    service, modality = call.service, other.clip.modality
    searched = Searched.of(probe.clip.modality, {modality: (1, 1)})
    match = Candidate("", similarity, 0, modality, "")
    return decide(service.decider, [match], searched, service.settings.policy, comparison=True)


async def _embedded(call: Call, readings: list[Reading]) -> tuple[list[Decoded], list[Vector]]:
    """The request's clip files, read as told, and their embeddings."""
    clips = [
        await call.service.decode(data, reading, call.stages)
        for data, reading in zip(call.use.clips, readings, strict=True)
    ]
    return clips, list(await call.service.embed([each.clip for each in clips], call.stages))
