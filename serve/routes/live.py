"""`/v1/live`: people who pass, told by watchers and shown to whoever looks on.

What is shown of somebody comes from the audit record of the search that found them, so that no
watcher can name anybody whom the service did not.
"""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gait.errors import (
    AuditError,
    ContractMismatchError,
    GalleryNotFoundError,
    SubjectNotFoundError,
)
from gallery.decision.decision import Finding
from gallery.gallery import Gallery
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.log import no_record
from serve.audit.record import Action, AuditEntry, Outcome
from serve.routes.parameters import Call, CurrentCall, problems, wrong_field
from serve.schemas.live import LiveReply, NewPassing, Passing, PassingReply
from serve.work.service import Service

router = APIRouter(prefix="/v1/live", tags=["live"], route_class=Guarded)

_MAY_SAY = {
    "match": (Finding.MATCH, Finding.POSSIBLE),
    "possible": (Finding.POSSIBLE,),
    "no_match": (Finding.NO_MATCH,),
    "undecided": (None,),
}
"""What a watcher may say of a track, by what the search of a part of it found."""


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.IDENTIFY, Action.TELL)],
    responses=problems(400, 404),
)
async def tell(call: CurrentCall, new: NewPassing) -> PassingReply:
    """Takes a track that a watcher decided by its own searches. That it was told is recorded."""
    entry = await call.service.work(partial(_own_search, call, new.audit_id))
    call.use.note(about=entry.sequence, gallery=entry.gallery, purpose=entry.purpose)
    call.use.note(decision=new.decision or "undecided", detail=new.source)
    if new.decision not in _MAY_SAY.get(str(entry.decision), ()):
        raise AuditError("that search found something else")
    found = new.decision in (Finding.MATCH, Finding.POSSIBLE)
    if new.picture is not None and not found:
        raise wrong_field("picture", "is of somebody who was not found: leave it out")
    best = entry.candidates[0] if found and entry.candidates else None
    passing = Passing(
        number=0,
        time=entry.time,
        subject=None if best is None else best.subject,
        similarity=None if best is None else best.similarity,
        gallery=entry.gallery or "",
        purpose=entry.purpose,
        **new.model_dump(),
    )
    call.use.note(subject=passing.subject)
    await call.use.done()
    return PassingReply(request_id=call.request_id, number=call.service.live.add(passing))


@router.get(
    "",
    dependencies=[needs(Scope.LIVE_READ, Action.WATCH)],
    responses=problems(400),
)
async def live(
    call: CurrentCall,
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="`newest` of the reply before.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="The newest ones, so many.")] = 100,
) -> LiveReply:
    """Shows who passed within a day. A key for certain galleries sees their searches only.

    People who have been erased meanwhile are not shown. That a key looks on is recorded once in
    ten minutes.
    """
    service = call.service
    if not service.live.begins_to_look(call.caller.key_id):
        call.use.action = None
    later = [
        each
        for each in service.live.all()
        if each.number > after and call.caller.reaches(each.gallery)
    ]
    people = await _still_enrolled(service, later)
    return LiveReply(
        request_id=call.request_id,
        people=people[-limit:],
        newest=max((each.number for each in later), default=after),
    )


def _own_search(call: Call, audit_id: str) -> AuditEntry:
    """The caller's own search that was recorded under this id.

    Raises:
        AuditNotFoundError: there is none; those of others look the same.
    """
    entry = call.service.audit.find(audit_id)
    own = entry.caller == call.caller.key_id and entry.gallery is not None
    if not own or entry.action is not Action.IDENTIFY or entry.outcome is not Outcome.DONE:
        raise no_record()
    return entry


async def _still_enrolled(service: Service, people: list[Passing]) -> list[Passing]:
    """Without those who have left their gallery, or whose gallery is gone or in whose place is one
    of another model; they are forgotten."""
    gone = set[int]()
    for name in {each.gallery for each in people}:
        within = [each for each in people if each.gallery == name]
        subjects = {each.subject for each in within if each.subject is not None}
        try:
            left = await service.on(name, partial(_left, subjects))
            gone |= {each.number for each in within if each.subject in left}
        except (GalleryNotFoundError, ContractMismatchError):
            gone |= {each.number for each in within}
    service.live.forget(gone)
    return [each for each in people if each.number not in gone]


def _left(subjects: set[str], gallery: Gallery) -> set[str]:
    """Those of them who are not enrolled."""
    left = set()
    for subject in subjects:
        try:
            gallery.templates(subject)
        except SubjectNotFoundError:
            left.add(subject)
    return left
