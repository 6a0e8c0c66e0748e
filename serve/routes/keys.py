"""`/v1/keys`: make, list, rotate and revoke access keys. Changes count from the next request."""

import logging
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field

from gait.errors import AccessError
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant, Issued
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.keys import KeyIssued, KeyList, KeyReply, KeyReport, Rotation
from serve.text import ONE_LINE

log = logging.getLogger("serve")
router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=Guarded)


def _key_file(request: Request) -> KeyFile:
    keys = request.app.state.keys
    if keys is None or not keys.needed:
        raise AccessError(
            "this service has no keys: make the first with `python -m serve.keys new`, in "
            "`keys.json` of the service's data folder; it counts from the next request"
        )
    assert isinstance(keys, KeyFile)
    return keys


Keys = Annotated[KeyFile, Depends(_key_file)]
KeyId = Annotated[
    Annotated[str, Field(max_length=64), ONE_LINE],
    Path(description="The part before the dot.", examples=["129e6d84"]),
]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    dependencies=[needs(Scope.ADMIN, Action.CREATE_KEY)],
    responses=problems(400, 507),
)
def create(call: CurrentCall, keys: Keys, grant: Grant) -> KeyIssued:
    """Makes a key."""
    issued = keys.new(grant)
    log.info("%s key %s made by %s", call.request_id, issued.key.id, call.caller.key_id)
    return _shown_once(call.request_id, issued)


@router.get("", dependencies=[needs(Scope.ADMIN)], responses=problems())
def keys(
    call: CurrentCall,
    keys: Keys,
) -> KeyList:
    """Lists the keys; secrets are not kept anywhere."""
    return KeyList(request_id=call.request_id, keys=[KeyReport.of(key) for key in keys.load().keys])


@router.post(
    "/{key}:rotate",
    dependencies=[needs(Scope.ADMIN, Action.ROTATE_KEY)],
    responses=problems(400, 404, 409, 507),
)
def rotate(
    call: CurrentCall,
    keys: Keys,
    key: KeyId,
    rotation: Rotation,
) -> KeyIssued:
    """Gives a key a new secret; the old one is taken for a while longer."""
    issued = keys.rotate(key, rotation.overlap_hours, rotation.days)
    log.info("%s key %s rotated by %s", call.request_id, issued.key.id, call.caller.key_id)
    return _shown_once(call.request_id, issued)


@router.delete(
    "/{key}", dependencies=[needs(Scope.ADMIN, Action.REVOKE_KEY)], responses=problems(404, 507)
)
def revoke(call: CurrentCall, keys: Keys, key: KeyId) -> KeyReply:
    """Ends a key for good. It stays listed, so that records of what it did can be understood."""
    revoked = keys.revoke(key)
    log.info("%s key %s revoked by %s", call.request_id, revoked.id, call.caller.key_id)
    return KeyReply(request_id=call.request_id, key=KeyReport.of(revoked))


def _shown_once(request_id: str, issued: Issued) -> KeyIssued:
    key = KeyReport.of(issued.key)
    return KeyIssued(request_id=request_id, key=key, token=issued.token)
