"""`/v1/reviews`: what humans say of matches."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action, Outcome
from serve.audit.search import Filter
from serve.audit.use import Used
from serve.routes import cursor as cursors
from serve.routes.audit import place
from serve.routes.parameters import After, Calling, Limit, RequestId, Serving, problems
from serve.schemas.audit import NewReview, ReviewPage, ReviewReply
from serve.work.reviews import judged, review_of

router = APIRouter(prefix="/v1/reviews", tags=["audit"], route_class=Guarded)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.IDENTIFY)],
    responses=problems(400, 404),
)
async def review(
    service: Serving, request_id: RequestId, caller: Calling, use: Used, new: NewReview
) -> ReviewReply:
    """Records a human verdict on a candidate of an identification or verification."""
    find = partial(judged, service.audit, new.audit_id, new.subject, caller)
    entry, use.subject = await service.work(find)
    use.about, use.gallery = entry.sequence, entry.record.gallery
    use.decision, use.reviewer, use.detail = new.verdict, new.reviewer, new.note
    return ReviewReply(request_id=request_id, review=review_of(await use.end(Outcome.DONE)))


@router.get("", dependencies=[needs(Scope.AUDIT_READ)], responses=problems(400, 404))
async def reviews(
    service: Serving,
    request_id: RequestId,
    caller: Calling,
    use: Used,
    after: After,
    limit: Limit = 100,
    audit_id: Annotated[
        str | None, Query(max_length=64, description="Reviews of this record only.")
    ] = None,
) -> ReviewPage:
    """Shows reviews, the oldest first."""
    about = None
    if audit_id is not None:
        about = (await service.work(partial(service.audit.find, audit_id))).sequence
        use.about = about
    wanted = Filter(
        action=Action.REVIEW, about=about, galleries=caller.galleries, after=place(after)
    )
    condition, values = wanted.sql()
    done = f"{condition} AND body ->> '$.outcome' = 'done'"
    found = await service.work(partial(service.audit.select, done, values, limit + 1))
    page = found[:limit]
    return ReviewPage(
        request_id=request_id,
        reviews=[review_of(each) for each in page],
        next_cursor=cursors.encode(str(page[-1].sequence)) if len(found) > limit else None,
    )
