"""Who may ask: host names, browser origins and keys, before a byte of the body is read."""

import re
from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import ConfigError
from serve.access.key_file import KeyFile
from serve.access.rates import Allowance, Rates, rate_headers
from serve.access.scopes import LOCAL, Caller, is_loopback
from serve.middleware.problems import gait_problem, problem
from serve.page import PAGE

_TOKEN = re.compile(r"([0-9a-f]{8})\..*", re.DOTALL)
OPEN = frozenset({"/healthz", "/readyz", "/openapi.json", *PAGE})
"""Paths that need no key: they tell nothing about people."""


class Access:
    """ASGI middleware that refuses strangers and names the caller, in `request.state.caller`.

    - On loopback the `Host` must be loopback too. A web page that rebinds its own name to 127.0.0.1
      still sends that name.
    - A browser's `Origin` must be this service: another site's form could enrol people otherwise.
    - With keys, `Authorization: Bearer id.secret` is needed everywhere but in `OPEN`. What the key
      is for is checked by the routes, see `serve.access.scopes`.
    - With keys, requests are counted, and refused above a limit.

    Args:
        app: what is protected.
        keys: the keys; None for no keys, and none will be looked for.
        rates: limits of those with keys, and of those without.
        loopback: the service listens on loopback only.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile | None, rates: Rates, *, loopback: bool) -> None:
        self.app, self.keys, self.rates, self.loopback = app, keys, rates, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        counted: dict[str, Allowance] = {}
        scope["state"]["allowances"] = counted
        found = self._from_elsewhere(scope) or self._caller(scope)
        scope["state"]["caller"] = found if isinstance(found, Caller) else ANYBODY

        async def with_limits(message: Message) -> None:
            if counted and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(rate_headers(counted.values()))
            await send(message)

        answer = self.app if isinstance(found, Caller) else found
        await answer(scope, receive, with_limits)

    def _from_elsewhere(self, scope: Scope) -> JSONResponse | None:
        headers, request_id = Headers(scope=scope), scope["state"]["request_id"]
        host = headers.get("host", "")
        if self.loopback and not _names_loopback(host):
            detail = "this service answers to localhost and 127.0.0.1 only"
            return problem(request_id, HTTPStatus.MISDIRECTED_REQUEST, "access.host", detail)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            detail = "requests from pages of other sites are refused"
            return problem(request_id, HTTPStatus.FORBIDDEN, "access.origin", detail)
        return None

    def _caller(self, scope: Scope) -> Caller | JSONResponse:
        if self.keys is None or not self.keys.needed:
            return LOCAL
        if scope["path"] in OPEN:
            return ANYBODY
        request_id = scope["state"]["request_id"]
        try:
            scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
            scope["state"]["claimed"] = _claimed(token)
            caller = self.keys.admits(token.strip() if scheme.lower() == "bearer" else "")
        except ConfigError:  # logged by the key file
            detail = "the server cannot read its keys; its log says why"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return problem(request_id, status, "access.unavailable", detail)
        if caller is not None:
            allowance = self.rates.count("key", caller.key_id)
        else:
            allowance = self.rates.count("address", (scope.get("client") or ("unknown", 0))[0])
        scope["state"]["allowances"][""] = allowance  # galleries' names are never empty
        if allowance.spent:
            return gait_problem(request_id, allowance.error())
        return caller or _stranger(request_id)


ANYBODY = Caller("anybody", frozenset(), galleries=frozenset())
"""Whoever asks for an open path of a service with keys; told of no gallery."""


def _claimed(token: str) -> str:
    """The id in a token, for the log; a token of another form may be a secret and is not named."""
    matched = _TOKEN.fullmatch(token.strip())
    return matched[1] if matched else "unreadable" if token else "none"


def _stranger(request_id: str) -> JSONResponse:
    return problem(
        request_id,
        HTTPStatus.UNAUTHORIZED,
        "access.key",
        "a valid key is needed, and none was sent or it is wrong, expired or revoked: send "
        "`Authorization: Bearer id.secret`, made with `python -m serve.keys new`",
        {"WWW-Authenticate": "Bearer"},
    )


def _names_loopback(host: str) -> bool:
    """Whether a `Host` header, port included, names this machine's own loopback."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)
