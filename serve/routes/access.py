"""`GET /v1/access`: what a key may do here, and within which limits."""

from importlib.metadata import version

from fastapi import APIRouter

from serve.access.scopes import Guarded, needs
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.access import AccessReply, LimitsReport

router = APIRouter(tags=["keys"], route_class=Guarded)


@router.get("/v1/access", dependencies=[needs()], responses=problems())
async def access(call: CurrentCall) -> AccessReply:
    """Shows the caller's own key, and what the service takes from it."""
    settings, caller = call.service.settings, call.caller
    return AccessReply(
        request_id=call.request_id,
        key=caller.key_id,
        scopes=sorted(caller.scopes),
        galleries=None if caller.galleries is None else sorted(caller.galleries),
        gallery=settings.gallery,
        purposes=list(settings.purposes),
        version=version("diffcrossgait"),
        limits=LimitsReport.of(settings),
    )
