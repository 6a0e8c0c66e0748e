"""`POST /v1/verify`: is this the person they say they are, or the one in that clip?"""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.use import Used
from serve.routes.parameters import (
    CLIP_FILE,
    CLIP_PROBLEMS,
    GivenGallery,
    GivenModality,
    HowToRead,
    Purpose,
    RequestId,
    SearchedModality,
    Serving,
    Timing,
    wrong_field,
)
from serve.schemas.fields import ClipReport, Model
from serve.schemas.search import Enrolled, VerifyReply
from serve.work.comparison import Compared, Search, verify_clips, verify_subject
from serve.work.service import Reading

router = APIRouter(tags=["verify"], route_class=Guarded)


@router.post("/v1/verify", dependencies=[needs(Scope.VERIFY)], responses=CLIP_PROBLEMS)
async def verify(
    service: Serving,
    request_id: RequestId,
    stages: Timing,
    reading: HowToRead,
    gallery: GivenGallery,
    purpose: Purpose,
    use: Used,
    clip: Annotated[UploadFile, File(description=CLIP_FILE)],
    subject: Annotated[str | None, Form(description="The enrolled person to compare with.")] = None,
    other: Annotated[
        UploadFile | None, File(description="A second clip to compare with, instead.")
    ] = None,
    other_modality: GivenModality = None,
    gallery_modality: SearchedModality = None,
) -> VerifyReply:
    """Compares the person in a clip with an enrolled person, or with the one in another clip."""
    if (subject is None) == (other is None):
        raise wrong_field("subject", "give either `subject` or `other`: compare with whom?")
    use.purpose = purpose
    data = await clip.read()
    use.clips, use.subject = [data], subject
    if other is not None:
        files = data, await other.read()
        use.clips, use.gallery = list(files), None
        readings = reading, Reading(other_modality, reading.forward)
        compared = await verify_clips(service, files, readings, stages)
    else:
        assert subject is not None
        search = Search(gallery, modality=gallery_modality)
        compared = await verify_subject(service, data, reading, search, subject, stages)
    use.saw([compared.match] if compared.match else [], compared.revision)
    with stages.stage("audit"):
        audit_id = await use.done()
    return VerifyReply(
        request_id=request_id,
        audit_id=audit_id,
        decision=None,
        threshold=None,
        similarity=compared.similarity,
        probe=ClipReport.of(compared.probe, service.encoder),
        other=None if compared.other is None else ClipReport.of(compared.other, service.encoder),
        enrolled=_enrolled(gallery, compared),
        model=Model.of(service.encoder),
        timings_ms=stages.milliseconds,
    )


def _enrolled(gallery: str, compared: Compared) -> Enrolled | None:
    match, revision = compared.match, compared.revision
    if match is None or revision is None:
        return None
    return Enrolled(
        gallery=gallery,
        subject=match.subject,
        template=match.template,
        modality=match.modality,
        gallery_revision=revision,
    )
