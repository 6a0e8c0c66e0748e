"""`POST /v1/tracks`: a recording goes in, the people in it come out."""

from collections import Counter
from functools import partial
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from capture.recording import Person
from gait.errors import ClipQualityError, GaitError
from gait.moving_picture import SHORT, MovingPicture
from gait.quality.quality import require_quality
from gallery.gallery import Found, Gallery
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import (
    CLIP_PROBLEMS,
    CurrentCall,
    GivenGallery,
    Purpose,
    SearchedModality,
    problems,
)
from serve.schemas.fields import ClipReport, Model
from serve.schemas.frames import PictureReport, shown
from serve.schemas.search import CandidateReport
from serve.schemas.tracks import TrackReport, TracksReply
from serve.work.service import Service

router = APIRouter(tags=["identify"], route_class=Guarded)


@router.post(
    "/v1/tracks",
    dependencies=[needs(Scope.IDENTIFY, Action.IDENTIFY)],
    responses=CLIP_PROBLEMS | problems(501),
)
async def identify_tracks(
    call: CurrentCall,
    gallery: GivenGallery,
    purpose: Purpose,  # noqa: ARG001 - noted for the audit record as it is read
    recording: Annotated[
        UploadFile,
        File(
            description="A camera's video (mp4, mov, mkv, webm, avi), or a zip of a LiDAR's clouds "
            "of the whole scene."
        ),
    ],
    top_k: Annotated[int, Form(ge=1, le=100, description="Candidates of each person.")] = 5,
    gallery_modality: SearchedModality = None,
    pictures: Annotated[
        bool, Form(description="Send a short moving picture of each person; none is kept.")
    ] = False,
) -> TracksReply:
    """Finds the people in a recording and decides of each whether they are enrolled."""
    service, stages = call.service, call.stages
    call.use.clips = [await recording.read()]
    people = await service.people(call.use.clips[0], stages)
    most = service.settings.max_clips
    people, left_out = people[:most], max(0, len(people) - most)
    problem_of = {row: _problem(service, person) for row, person in enumerate(people)}
    usable = [row for row, problem in problem_of.items() if problem is None]
    clips = [decoded.clip for row in usable if (decoded := people[row].decoded) is not None]
    embeddings = await service.embed(clips, stages) if clips else ()

    def search(within: Gallery) -> tuple[list[Found], int]:
        with stages.stage("search"):
            revision = within.revision  # before, so that no later state is claimed
            found = [
                within.search(
                    embedding,
                    clip.modality,
                    service.settings.policy,
                    top_k=top_k,
                    modality=gallery_modality,
                )
                for embedding, clip in zip(embeddings, clips, strict=True)
            ]
            return found, revision

    results, revision = await service.on(gallery, search)
    found = dict(zip(usable, results, strict=True))
    candidates = [each for one in results for each in one.decision.shown(one.candidates)]
    call.use.saw(candidates, revision)
    verdicts = Counter(str(one.decision.verdict or "undecided") for one in results)
    call.use.note(decision=", ".join(f"{count} {word}" for word, count in sorted(verdicts.items())))
    call.use.note(detail=f"recording of {len(people)} people")
    seen = await service.work(partial(_pictures, people)) if pictures else [None] * len(people)
    with stages.stage("audit"):
        audit_id = await call.use.done()
    return TracksReply(
        request_id=call.request_id,
        audit_id=audit_id,
        people=[
            _report(service, person, problem_of[row], found.get(row), seen[row])
            for row, person in enumerate(people)
        ],
        left_out=left_out,
        gallery=gallery,
        gallery_revision=revision,
        model=Model.of(service.encoder),
        timings_ms=stages.milliseconds,
    )


def _problem(service: Service, person: Person) -> GaitError | None:
    """Why a person is not searched for."""
    if person.decoded is None:
        return person.problem
    try:
        require_quality(person.decoded.quality, service.settings.quality_search)
    except ClipQualityError as error:
        return error
    return None


def _pictures(people: list[Person]) -> list[PictureReport | None]:
    """Short moving pictures, of those people of whom there is a clip."""
    return [
        None
        if person.decoded is None
        else PictureReport(**shown(MovingPicture.of(person.decoded.clip, person.seconds, SHORT)))
        for person in people
    ]


def _report(
    service: Service,
    person: Person,
    problem: GaitError | None,
    found: Found | None,
    picture: PictureReport | None,
) -> TrackReport:
    decision = None if found is None else found.decision
    candidates = [] if found is None else found.decision.shown(found.candidates)
    return TrackReport(
        track=person.track,
        begins=round(person.begins, 3),
        ends=round(person.ends, 3),
        frames=person.frames,
        clip=None if person.decoded is None else ClipReport.of(person.decoded, service.encoder),
        rejected=None if problem is None else problem.code,
        detail=None if problem is None else str(problem),
        decision=None if decision is None else decision.verdict,
        thresholds=None if decision is None else decision.thresholds,
        undecided=None if decision is None else decision.undecided,
        candidates=[CandidateReport.model_validate(each) for each in candidates],
        picture=picture,
    )
