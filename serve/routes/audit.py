"""`GET /v1/audit`: what was done with the service. Reading it is recorded as well."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.audit.search import Filter
from serve.audit.use import Used
from serve.routes import cursor as cursors
from serve.routes.parameters import After, Calling, Limit, RequestId, Serving, problems
from serve.schemas.audit import AuditEntry, AuditPage

router = APIRouter(tags=["audit"], route_class=Guarded)


@router.get("/v1/audit", dependencies=[needs(Scope.AUDIT_READ)], responses=problems(400))
async def audit(
    service: Serving,
    request_id: RequestId,
    caller: Calling,
    use: Used,
    after: After,
    limit: Limit = 100,
    since: Annotated[str | None, Query(max_length=40, description="ISO 8601 time.")] = None,
    subject: Annotated[str | None, Query(max_length=256, description="Person concerned.")] = None,
    key: Annotated[str | None, Query(max_length=64, description="Id of the caller's key.")] = None,
    action: Annotated[Action | None, Query(description="What was done.")] = None,
) -> AuditPage:
    """Shows audit records, the oldest first; archived ones are not here.

    A key for certain galleries sees their records only.
    """
    wanted = Filter(since, subject, key, action, galleries=caller.galleries, after=place(after))
    use.subject = subject
    asked = {"since": since, "key": key, "action": action}
    use.detail = ", ".join(f"{name} {value}" for name, value in asked.items() if value) or None
    found = await service.work(partial(service.audit.select, *wanted.sql(), limit + 1))
    page = found[:limit]
    return AuditPage(
        request_id=request_id,
        records=[AuditEntry.of(each) for each in page],
        next_cursor=cursors.encode(str(page[-1].sequence)) if len(found) > limit else None,
        head=(await service.work(service.audit.head)).hash,
    )


def place(after: str | None) -> int:
    """The sequence that a cursor holds.

    Raises:
        HTTPException: 400, it holds none.
    """
    if after is None:
        return 0
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise HTTPException(400, "the cursor is not one that a page of records gave")
    return int(after)
