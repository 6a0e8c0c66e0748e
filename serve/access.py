"""Who may ask: host names, browser origins and keys, before a byte of the body is read."""

from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gait.errors import ConfigError
from serve.key_file import KeyFile
from serve.problems import problem
from serve.scopes import LOCAL, Caller
from serve.settings import is_loopback

OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Paths that need no key: they tell nothing about people."""


class Access:
    """ASGI middleware that refuses strangers and names the caller, in `request.state.caller`.

    - On loopback the `Host` must be loopback too. A web page that rebinds its own name to 127.0.0.1
      still sends that name.
    - A browser's `Origin` must be this service: another site's form could enrol people otherwise.
    - With keys, `Authorization: Bearer id.secret` is needed everywhere but in `OPEN`. What the key
      is for is checked by the routes, see `serve.scopes`.

    Args:
        app: what is protected.
        keys: the keys; None for no keys.
        loopback: the service listens on loopback only.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile | None, *, loopback: bool) -> None:
        self.app, self.keys, self.loopback = app, keys, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        found = self._from_elsewhere(scope) or self._caller(scope)
        if isinstance(found, Caller):
            scope["state"]["caller"] = found
            await self.app(scope, receive, send)
        else:
            await found(scope, receive, send)

    def _from_elsewhere(self, scope: Scope) -> JSONResponse | None:
        headers, request_id = Headers(scope=scope), scope["state"]["request_id"]
        host = headers.get("host", "")
        if self.loopback and not is_loopback(_host_name(host)):
            detail = "this service answers to localhost and 127.0.0.1 only"
            return problem(request_id, HTTPStatus.MISDIRECTED_REQUEST, "access.host", detail)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            detail = "requests from pages of other sites are refused"
            return problem(request_id, HTTPStatus.FORBIDDEN, "access.origin", detail)
        return None

    def _caller(self, scope: Scope) -> Caller | JSONResponse:
        if self.keys is None:
            return LOCAL
        if scope["path"] in OPEN:
            return ANYBODY
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        try:
            caller = self.keys.admits(token.strip() if scheme.lower() == "bearer" else "")
        except ConfigError:  # logged by the key file
            return _unavailable(scope["state"]["request_id"])
        return caller or _stranger(scope["state"]["request_id"])


ANYBODY = Caller("anybody", frozenset())
"""Whoever asks for an open path of a service with keys."""


def _stranger(request_id: str) -> JSONResponse:
    return problem(
        request_id,
        HTTPStatus.UNAUTHORIZED,
        "access.key",
        "a valid key is needed, and none was sent or it is wrong, expired or revoked: send "
        "`Authorization: Bearer id.secret`, made with `python -m serve.keys new`",
        {"WWW-Authenticate": "Bearer"},
    )


def _unavailable(request_id: str) -> JSONResponse:
    detail = "the server cannot read its keys; its log says why"
    return problem(request_id, HTTPStatus.SERVICE_UNAVAILABLE, "access.unavailable", detail)


def _host_name(host: str) -> str:
    """Host without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
