"""Who may ask: host names, browser origins and keys, before a byte of the body is read."""

from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.keys import Keyring
from serve.problems import problem
from serve.scopes import LOCAL
from serve.settings import is_loopback

OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Paths that need no key: they tell nothing about people."""


class Access:
    """ASGI middleware that refuses strangers.

    - On loopback the `Host` must be loopback too. A web page that rebinds its own name to 127.0.0.1
      still sends that name.
    - A browser's `Origin` must be this service: another site's form could enrol people otherwise.
    - With keys, `Authorization: Bearer id.secret` is needed everywhere but in `OPEN`.

    Args:
        app: what is protected.
        keyring: the keys; None for no keys.
        loopback: the service listens on loopback only.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring | None, *, loopback: bool) -> None:
        self.app, self.keyring, self.loopback = app, keyring, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, request_id = Headers(scope=scope), scope["state"]["request_id"]
        host = headers.get("host", "")
        if self.loopback and not is_loopback(_host_name(host)):
            detail = "this service answers to localhost and 127.0.0.1 only"
            return problem(request_id, HTTPStatus.MISDIRECTED_REQUEST, "access.host", detail)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            detail = "requests from pages of other sites are refused"
            return problem(request_id, HTTPStatus.FORBIDDEN, "access.origin", detail)
        scope["state"]["caller"] = LOCAL
        if self.keyring is None or scope["path"] in OPEN:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.keyring.admits(token.strip()):
            return None
        return problem(
            request_id,
            HTTPStatus.UNAUTHORIZED,
            "access.key",
            "a key is needed: send `Authorization: Bearer id.secret`, "
            "made with `python -m serve.keys new`",
            {"WWW-Authenticate": "Bearer"},
        )


def _host_name(host: str) -> str:
    """Host without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
