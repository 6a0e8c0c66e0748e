"""What a key may do: scopes, and the galleries it is for; and what its use is recorded as.

A route says what it needs, and is refused before its body is read:

    router = APIRouter(prefix="/v1/galleries/{g}/subjects", route_class=Guarded)

    @router.delete("/{subject}", dependencies=[needs(Scope.GALLERY_DELETE, Action.REMOVE)])
"""

import ipaddress
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from gait.errors import GalleryAccessError, ScopeError
from serve.audit.record import Action
from serve.schemas.known_fields import KnownFields

GALLERY = "g"
"""Name of the path parameter that holds a gallery's name."""


class Scope(StrEnum):
    """One thing that a key may be for. None implies another, `admin` neither."""

    IDENTIFY = "identify"
    VERIFY = "verify"
    ENROL = "enrol"
    GALLERY_READ = "gallery:read"
    GALLERY_DELETE = "gallery:delete"
    EMBED = "embed"
    AUDIT_READ = "audit:read"
    LIVE_READ = "live:read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who sent a request; `request.state.caller`.

    Args:
        key_id: id of the key, which is no secret; `local` where no keys are used.
        scopes: what the key is for.
        galleries: the only galleries it is for; None for every gallery.
    """

    key_id: str
    scopes: frozenset[Scope]
    galleries: frozenset[str] | None = None

    def reaches(self, gallery: str) -> bool:
        """Whether the key is for this gallery."""
        return self.galleries is None or gallery in self.galleries


LOCAL = Caller("local", frozenset(Scope))
"""Whoever asks a service without keys, which listens on loopback only."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Needs:
    """What a route asks of a key, and the action that its use is recorded as.

    Before the body is read, `check` refuses callers whose key does not do. As a dependency, which
    FastAPI calls once the body is there, it refuses fields that the route does not have, and
    records what is about to be changed.

    Args:
        scope: None for any key that is valid.
        action: None for a use that is not recorded: it only lists what there is.
    """

    scope: Scope | None
    action: Action | None

    def check(self, request: Request) -> None:
        """Refuses callers whose key has not this scope, or is not for the gallery in the path.

        Raises:
            ScopeError: the key lacks the scope.
            GalleryAccessError, RateError: see `reach`.
        """
        request.state.use.action = self.action
        caller: Caller = request.state.caller
        if self.scope is not None and self.scope not in caller.scopes:
            raise ScopeError(
                f"this needs a key with the scope {self.scope}, and key {caller.key_id} has "
                f"{', '.join(sorted(caller.scopes)) or 'none'}",
                scope=self.scope,
            )
        if GALLERY in request.path_params:
            reach(request, request.path_params[GALLERY])

    async def __call__(self, request: Request) -> None:
        """Refuses fields that the route does not have, and records what is about to be changed.

        Raises:
            RequestValidationError: a field is unknown, empty or repeated.
            AuditUnavailableError: it could not be written; nothing must happen.
        """
        await request.state.known_fields.check_body(request)
        await request.state.use.intend()


def needs(scope: Scope | None = None, action: Action | None = None) -> Any:
    """Declares what a route needs: `dependencies=[needs(Scope.IDENTIFY, Action.IDENTIFY)]`."""
    return Depends(Needs(scope, action))


def reach(request: Request, gallery: str) -> None:
    """Lets a request use a gallery, and counts it once against the gallery's limit.

    Routes whose gallery is a field of the body call it themselves.

    Raises:
        GalleryAccessError: the key is for other galleries.
        RateError: too many requests for this gallery.
    """
    caller: Caller = request.state.caller
    if not caller.reaches(gallery):
        raise GalleryAccessError(f"key {caller.key_id} is not for the gallery {gallery!r}")
    counted = request.state.allowances
    if caller is LOCAL or gallery in counted:
        return
    counted[gallery] = request.app.state.rates.count("gallery", gallery)
    if counted[gallery].spent:
        raise counted[gallery].error()


class Guarded(APIRoute):
    """A route that refuses a caller, and unknown query parameters, before the body is read.

    FastAPI's own checks come after it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler behind what it needs."""
        handle = super().get_route_handler()
        needed = [d.dependency for d in self.dependencies if isinstance(d.dependency, Needs)]
        known = KnownFields.of(self.dependant)

        async def guarded(request: Request) -> Response:
            for each in needed:
                each.check(request)
            known.check_query(request)
            request.state.known_fields = known
            return await handle(request)

        return guarded
