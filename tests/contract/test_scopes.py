"""Who may do what: every route, with every key there can be, and no body read for a refusal."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Guarded, Needs, Scope
from serve.middleware.access import OPEN
from tests import services

pytestmark = pytest.mark.serving

VALUES = {"g": "nowhere", "template": "1", "key": "00000000"}
"""What path parameters are set to, else `x`: nothing there is, so that nothing is done."""


@dataclass(frozen=True)
class Route:
    """A method of a path, and the scopes it declares."""

    method: str
    path: str
    needs: tuple[Needs, ...]


def routes_of(app: FastAPI) -> list[Route]:
    """Every route of an app."""
    return [
        Route(
            method,
            context.path or "",
            tuple(
                each.dependency
                for each in getattr(context, "dependencies", None) or ()
                if isinstance(each.dependency, Needs)
            ),
        )
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods or ())
    ]


def undeclared(app: FastAPI) -> set[str]:
    """Paths that do not say, once, what they need."""
    return {route.path for route in routes_of(app) if len(route.needs) != 1}


@dataclass
class Stage:
    """A service with one key of every kind."""

    app: FastAPI
    keys: KeyFile
    bad: dict[str, str]
    by_scope: dict[Scope, str]
    elsewhere: dict[Scope, str]
    bare: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("scopes")
    keys = KeyFile(folder / "keys.json")

    def made(scopes: tuple[Scope, ...], galleries: tuple[str, ...] | None = None) -> str:
        return keys.new(Grant(scopes=scopes, galleries=galleries)).token

    restricted = [scope for scope in Scope if scope is not Scope.ADMIN]
    everything = tuple(Scope)
    ended, revoked = made(everything), made(everything)
    keys.revoke(revoked.partition(".")[0])
    wrong = made(everything).partition(".")[0] + ".wrong"
    bad = {
        "none": "",
        "wrong": wrong,
        "unknown": "00000000.x",
        "revoked": revoked,
        "expired": ended,
    }
    by_scope: dict[Scope, str] = {scope: made((scope,)) for scope in Scope}
    elsewhere: dict[Scope, str] = {scope: made((scope,), ("elsewhere",)) for scope in restricted}
    bare = made(())
    _expire(keys.path, ended.partition(".")[0])
    many = {f"rate_per_{each}": "1000000/minute" for each in ("key", "gallery", "address")}
    with services.opened(folder, **many) as service:
        app = services.client(service, keys).app
        assert isinstance(app, FastAPI)
        yield Stage(app, keys, bad, by_scope, elsewhere, bare)


def _expire(path: Path, key_id: str) -> None:
    file = json.loads(path.read_text())
    for key in file["keys"]:
        if key["id"] == key_id:
            key["expires"] = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    path.write_text(json.dumps(file))


def _ask(app: FastAPI, route: Route, token: str) -> tuple[int, str, bool]:
    """Status, problem code and whether the body was read."""
    path = route.path
    for part in path.split("{")[1:]:
        name = part.partition("}")[0]
        path = path.replace(f"{{{name}}}", VALUES.get(name, "x"))
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": route.method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("192.0.2.1", 1), "server": ("x", 80),
    }  # fmt: skip
    read, sent = False, bytearray()
    status = 0

    async def receive() -> Any:
        nonlocal read
        if read:
            await asyncio.Event().wait()  # the client stays and sends nothing more
        read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        sent.extend(message.get("body", b""))

    asyncio.run(app(scope, receive, send))
    code = json.loads(sent).get("code", "") if sent.startswith(b'{"type"') else ""
    return status, code, read


def _refusals(
    stage: Stage, expected: Callable[[Route], dict[str, tuple[int, str]]], tokens: dict[str, str]
) -> list[str]:
    """Each route and key that was not answered as expected, or whose body was read."""
    wrong = []
    for route in routes_of(stage.app):
        if route.path in OPEN:
            continue
        for name, reply in expected(route).items():
            status, code, read = _ask(stage.app, route, tokens[name])
            if (status, code) != reply or read:
                wrong.append(f"{route.method} {route.path} {name}: {status} {code}, read: {read}")
    return wrong


def test_every_route_declares_what_it_needs(stage: Stage) -> None:
    assert undeclared(stage.app) == OPEN


def test_a_route_that_declares_nothing_is_found() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(route_class=Guarded)
    router.add_api_route("/v1/new", lambda: None)
    app.include_router(router, prefix="/x")
    assert undeclared(app) == {"/x/v1/new"}


def test_without_a_valid_key_nothing_opens(stage: Stage) -> None:
    refused = dict.fromkeys(stage.bad, (401, "access.key"))
    assert _refusals(stage, lambda _: refused, stage.bad) == []


def test_open_routes_are_open_to_all(stage: Stage) -> None:
    for route in routes_of(stage.app):
        if route.path in OPEN:
            for name, token in [*stage.bad.items(), *stage.by_scope.items()]:
                assert _ask(stage.app, route, token)[0] == 200, (route, name)


def test_each_route_refuses_every_scope_but_its_own(stage: Stage) -> None:
    tokens = {**{str(scope): token for scope, token in stage.by_scope.items()}, "bare": stage.bare}

    def expected(route: Route) -> dict[str, tuple[int, str]]:
        (need,) = route.needs
        others = {name for name in tokens if need.scope is not None and name != need.scope}
        return dict.fromkeys(others, (403, "access.scope"))

    assert _refusals(stage, expected, tokens) == []


def test_a_key_for_another_gallery_is_refused(stage: Stage) -> None:
    tokens = {str(scope): token for scope, token in stage.elsewhere.items()}

    def expected(route: Route) -> dict[str, tuple[int, str]]:
        (need,) = route.needs
        asks = "{g}" in route.path and need.scope in stage.elsewhere
        return {str(need.scope): (403, "access.gallery")} if asks else {}

    assert any(expected(route) for route in routes_of(stage.app) if route.path not in OPEN)
    assert _refusals(stage, expected, tokens) == []


def test_the_right_key_passes(stage: Stage) -> None:
    for route in routes_of(stage.app):
        if route.path in OPEN:
            continue
        (need,) = route.needs
        token = stage.bare if need.scope is None else stage.by_scope[need.scope]
        status, code, _ = _ask(stage.app, route, token)
        assert status not in (401, 403, 429), (route, code)
        assert status < 500, (route, code)


def test_what_has_a_gallery_in_its_path_needs_a_scope(stage: Stage) -> None:
    for route in routes_of(stage.app):
        if "{g}" in route.path:
            assert all(need.scope is not None for need in route.needs), route


@pytest.mark.parametrize(
    ("path", "scope"), [("/v1/identify", "identify"), ("/v1/verify", "verify")]
)
def test_a_gallery_named_in_the_form_is_checked_too(stage: Stage, path: str, scope: str) -> None:
    client = TestClient(stage.app, base_url="http://localhost")
    headers = {"Authorization": f"Bearer {stage.elsewhere[Scope(scope)]}"}
    for gallery in ({}, {"gallery": "default"}, {"gallery": "nowhere"}):
        fields = services.PURPOSE | gallery
        reply = client.post(path, headers=headers, data=fields, files={"clip": b"x"})
        assert (reply.status_code, reply.json()["code"]) == (403, "access.gallery"), gallery


def test_a_restricted_key_is_told_of_its_own_galleries_only(stage: Stage) -> None:
    client = TestClient(stage.app, base_url="http://localhost")
    seen = {}
    for name, tokens in (("all", stage.by_scope), ("elsewhere", stage.elsewhere)):
        headers = {"Authorization": f"Bearer {tokens[Scope.GALLERY_READ]}"}
        seen[name] = client.get("/v1/galleries", headers=headers).json()["galleries"]
    assert seen == {"all": ["default"], "elsewhere": []}
