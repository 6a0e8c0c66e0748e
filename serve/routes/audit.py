"""`GET /v1/audit`: what was done with the service. Reading it is recorded as well."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.audit.search import Filter
from serve.routes.paging import AfterNumber, Limit, cursor_after
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.audit import AuditPage
from serve.schemas.fields import SubjectName
from serve.text import ONE_LINE

router = APIRouter(tags=["audit"], route_class=Guarded)


@router.get(
    "/v1/audit",
    dependencies=[needs(Scope.AUDIT_READ, Action.READ_AUDIT)],
    responses=problems(400),
)
async def audit(
    call: CurrentCall,
    after: AfterNumber,
    limit: Limit = 100,
    since: Annotated[
        Annotated[str, Field(max_length=40), ONE_LINE] | None,
        Query(description="ISO 8601 time, UTC if it does not say; or a date."),
    ] = None,
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
