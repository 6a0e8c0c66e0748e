"""`/v1/reviews`: what humans say of matches. Each is an audit record about an earlier one."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from gait.errors import AuditError
from serve.access.scopes import Caller, Guarded, Scope, needs
from serve.audit.agreement import statistics
from serve.audit.cases import CaseState, cases, state_of, with_reviews
from serve.audit.log import AuditLog, no_record
from serve.audit.record import Action, AuditEntry, Outcome
from serve.audit.search import Filter
from serve.routes.paging import AfterNumber, Limit, cursor_after
from serve.routes.parameters import Call, CurrentCall, Since, problems
from serve.schemas.audit import (
    AgreementReport,
    CasePage,
    CaseReport,
    NewReview,
    Review,
    ReviewPage,
    ReviewReply,
    ReviewStatisticsReply,
    StrangersReport,
)
from serve.schemas.fields import AuditIdGiven

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
    state = await call.service.work(partial(_state, call, entry))
    return ReviewReply(request_id=call.request_id, review=Review.of(recorded), state=state)


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
        AuditIdGiven | None, Query(description="Reviews of this record only.")
    ] = None,
) -> ReviewPage:
    """Shows reviews, the oldest first."""
    log, about = call.service.audit, None
    if audit_id is not None:
        find = partial(_known_to, log, audit_id, call.caller)
        about = (await call.service.work(find)).sequence
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


@router.get(
    "/cases",
    dependencies=[needs(Scope.AUDIT_READ, Action.READ_REVIEWS)],
    responses=problems(400),
)
async def all_cases(
    call: CurrentCall,
    after: AfterNumber,
    limit: Limit = 100,
    since: Since = None,
    state: Annotated[
        CaseState | None,
        Query(description="These only; a page may then hold fewer than `limit`, or none."),
    ] = None,
) -> CasePage:
    """Shows searches that found a match or a possible one, with the verdicts of people."""
    two, log = call.service.settings.two_reviewers, call.service.audit
    wanted = Filter(since=since, galleries=call.caller.galleries, after=after)
    found = await call.service.work(partial(cases, log, wanted, limit + 1, two_reviewers=two))
    page = found[:limit]
    return CasePage(
        request_id=call.request_id,
        cases=[
            CaseReport(
                record=each.record,
                reviews=[Review.of(review) for review in each.reviews],
                state=each.state,
            )
            for each in page
            if state in (None, each.state)
        ],
        two_reviewers=two,
        next_cursor=cursor_after(page[-1].record.sequence) if len(found) > limit else None,
    )


@router.get(
    "/statistics",
    dependencies=[needs(Scope.AUDIT_READ, Action.READ_REVIEWS)],
    responses=problems(400),
)
async def review_statistics(call: CurrentCall, since: Since = None) -> ReviewStatisticsReply:
    """Counts what people said of searches, for each pair of sensors, and how many strangers were
    found against what the calibration promises."""
    settings = call.service.settings
    wanted, two = Filter(since=since, galleries=call.caller.galleries), settings.two_reviewers
    count = partial(statistics, call.service.audit, wanted, settings.policy, two_reviewers=two)
    counted = await call.service.work(count)
    return ReviewStatisticsReply(
        request_id=call.request_id,
        two_reviewers=two,
        pairs=[AgreementReport.model_validate(each) for each in counted.pairs],
        strangers=[StrangersReport.model_validate(each) for each in counted.strangers],
    )


def _state(call: Call, entry: AuditEntry) -> CaseState:
    """What is settled of the record that was judged."""
    log, two = call.service.audit, call.service.settings.two_reviewers
    ((record, reviews),) = with_reviews(log, [entry])
    return state_of(record, reviews, two_reviewers=two)


def _known_to(log: AuditLog, audit_id: str, caller: Caller) -> AuditEntry:
    """The record with an audit id, if it is of a gallery that the caller's key is for.

    Raises:
        AuditNotFoundError: there is none, or it is of another gallery: the two look the same.
    """
    entry = log.find(audit_id)
    if entry.gallery is not None and not caller.reaches(entry.gallery):
        raise no_record()
    return entry


def _judged(
    log: AuditLog, audit_id: str, subject: str | None, caller: Caller
) -> tuple[AuditEntry, str]:
    """The match that is judged, and the candidate of it.

    Raises:
        AuditNotFoundError: no such record that this caller may know of.
        AuditError: it showed nobody, or not this person.
    """
    entry = _known_to(log, audit_id, caller)
    if entry.action not in (Action.IDENTIFY, Action.VERIFY) or entry.outcome is not Outcome.DONE:
        raise AuditError("only an identification or a verification that was done can be judged")
    people = [each.subject for each in entry.candidates]
    if not people or (subject is not None and subject not in people):
        raise AuditError("that record shows no such candidate")
    return entry, subject or people[0]
