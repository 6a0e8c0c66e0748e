"""`GET /v1/audit`: what was done with the service. Reading it is recorded as well."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.audit.search import Filter
from serve.audit.verify import verify
from serve.routes.paging import AfterNumber, Limit, cursor_after
from serve.routes.parameters import CurrentCall, Since, problems
from serve.schemas.audit import AuditFinding, AuditPage, AuditVerification, HeadGiven
from serve.schemas.fields import SubjectName
from serve.text import ONE_LINE

MOST_FINDINGS = 100
"""Findings that are told; of more only the number is."""

router = APIRouter(tags=["audit"], route_class=Guarded)


@router.get(
    "/v1/audit:verify",
    dependencies=[needs(Scope.AUDIT_READ, Action.VERIFY_AUDIT)],
    responses=problems(400),
)
async def verify_audit(
    call: CurrentCall,
    head: Annotated[
        list[HeadGiven] | None,
        Query(max_length=100, description="Hash or audit id that was kept elsewhere; repeat it."),
    ] = None,
) -> AuditVerification:
    """Checks that every record is as it was written and in its place. Reads all of them."""
    log = call.service.audit
    report = await call.service.work(partial(verify, log.path.parent, log.key, head or ()))
    call.use.note(detail=f"{report.records} records, {len(report.findings)} findings")
    return AuditVerification(
        request_id=call.request_id,
        intact=report.intact,
        records=report.records,
        findings=[
            AuditFinding(record=number, problem=problem)
            for number, problem in report.findings[:MOST_FINDINGS]
        ],
        more_findings=max(0, len(report.findings) - MOST_FINDINGS),
        notices=report.notices[:MOST_FINDINGS],
        head=None if report.head is None else report.head.hash,
        time=None if report.head is None else report.head.time,
    )


@router.get(
    "/v1/audit",
    dependencies=[needs(Scope.AUDIT_READ, Action.READ_AUDIT)],
    responses=problems(400),
)
async def audit(
    call: CurrentCall,
    after: AfterNumber,
    limit: Limit = 100,
    since: Since = None,
    subject: Annotated[SubjectName | None, Query(description="Person concerned.")] = None,
    key: Annotated[
        Annotated[str, Field(max_length=64), ONE_LINE] | None,
        Query(description="Id of the caller's key."),
    ] = None,
    action: Annotated[Action | None, Query(description="What was done.")] = None,
) -> AuditPage:
    """Shows audit records, the oldest first; retired ones are not here.

    A key for certain galleries sees their records only.
    """
    wanted = Filter(since, subject, key, action, galleries=call.caller.galleries, after=after)
    told = {"since": since, "key": key, "action": action}
    detail = ", ".join(f"{name} {value}" for name, value in told.items() if value)
    call.use.note(subject=subject, detail=detail or None)
    log = call.service.audit
    found = await call.service.work(partial(log.select, *wanted.sql(), limit + 1))
    page = found[:limit]
    return AuditPage(
        request_id=call.request_id,
        records=page,
        next_cursor=cursor_after(page[-1].sequence) if len(found) > limit else None,
        head=(await call.service.work(log.last)).hash,
    )
