"""`/v1/reviews`: what humans say of matches. Each is an audit record about an earlier one."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gait.errors import AuditError, AuditNotFoundError
from serve.access.scopes import Caller, Guarded, Scope, needs
from serve.audit.log import AuditLog
from serve.audit.record import Action, AuditEntry, Outcome
from serve.audit.search import Filter
from serve.routes.paging import AfterNumber, Limit, cursor_after
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.audit import NewReview, Review, ReviewPage, ReviewReply

router = APIRouter(prefix="/v1/reviews", tags=["audit"], route_class=Guarded)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.IDENTIFY, Action.REVIEW)],
    responses=problems(400, 404),
)
async def review(call: CurrentCall, new: NewReview) -> ReviewReply:
    """Records a human verdict on a candidate of an identification or verification."""
    find = partial(_judged, call.service.audit, new.audit_id, new.subject, call.caller)
    entry, subject = await call.service.work(find)
    call.use.note(subject=subject, about=entry.sequence, gallery=entry.gallery)
    call.use.note(decision=new.verdict, reviewer=new.reviewer, detail=new.note)
    recorded = await call.use.end(Outcome.DONE)
    return ReviewReply(request_id=call.request_id, review=Review.of(recorded))


@router.get(
    "",
    dependencies=[needs(Scope.AUDIT_READ, Action.READ_REVIEWS)],
    responses=problems(400, 404),
)
async def reviews(
    call: CurrentCall,
    after: AfterNumber,
    limit: Limit = 100,
    audit_id: Annotated[
        str | None, Query(max_length=64, description="Reviews of this record only.")
    ] = None,
) -> ReviewPage:
    """Shows reviews, the oldest first."""
    log, about = call.service.audit, None
    if audit_id is not None:
        about = (await call.service.work(partial(log.find, audit_id))).sequence
        call.use.note(about=about)
    wanted = Filter(
        action=Action.REVIEW,
        outcome=Outcome.DONE,
        about=about,
        galleries=call.caller.galleries,
        after=after,
    )
    found = await call.service.work(partial(log.select, *wanted.sql(), limit + 1))
    page = found[:limit]
    return ReviewPage(
        request_id=call.request_id,
        reviews=[Review.of(each) for each in page],
        next_cursor=cursor_after(page[-1].sequence) if len(found) > limit else None,
    )


def _judged(
    log: AuditLog, audit_id: str, subject: str | None, caller: Caller
) -> tuple[AuditEntry, str]:
    """The match that is judged, and the candidate of it.

    Raises:
        AuditNotFoundError: no such record that this caller may know of.
        AuditError: it showed nobody, or not this person.
    """
    entry = log.find(audit_id)
    if entry.gallery is not None and not caller.reaches(entry.gallery):
        raise AuditNotFoundError("there is no such audit record of a gallery this key is for")
    if entry.action not in (Action.IDENTIFY, Action.VERIFY) or entry.outcome is not Outcome.DONE:
        raise AuditError("only an identification or a verification that was done can be judged")
    people = [each.subject for each in entry.candidates]
    if not people or (subject is not None and subject not in people):
        raise AuditError("that record shows no such candidate")
    return entry, subject or people[0]
