"""Every route, with the key of every scope: what if one field of the request is hostile?"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from fastapi import FastAPI

from gait.modality import Modality
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.audit.__main__ import show
from serve.work.service import Service
from tests import services

pytestmark = pytest.mark.serving

UNFIT = {
    "lone surrogate": "\ud800",
    "NUL": "a\0b",
    "escape": "\x1b[2J",
    "line end": "a\nb",
    "C1 control": "a\x9b2Jb",
    "turned text": "a\u202eb",
    "million characters": "x" * 10**6,
}
"""Refused in every text field."""
TRICKS = {"dots": "..", "encoded dots": "%2e%2e", "path": "a/../b"}
"""Refused where they would name something; harmless in a note."""
WRONG_TYPES: dict[str, Any] = {"number": 7, "list": ["a"], "object": {"a": 1}}
VALID: dict[str, Any] = {
    **{"g": "default", "subject": "p000", "template": 1, "key": "00000000"},
    **services.PURPOSE,
    **services.AUTHORISATION,
    **{"gallery": "site-7", "into": "p001", "audit_id": "1-0123456789abcdef"},
    **{"probe": "silhouette", "verdict": "unsure", "reviewer": "badge 311", "scopes": ["identify"]},
    **{"source": "gate", "track": 1, "decision": None, "quality": 1.0},
    **{"windows": 1, "seen_seconds": 2.0},
}
FILES = {"clip", "clips", "to", "file", "sender", "other", "recording"}


class Place(NamedTuple):
    """A field of an operation."""

    method: str
    path: str
    where: str
    name: str
    text: bool


@dataclass
class Sent:
    """One request, as bytes."""

    method: str
    path: str
    query: bytes = b""
    body: bytes = b""
    type: str = ""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return KeyFile(tmp_path_factory.mktemp("hostile") / "keys.json")


@pytest.fixture(scope="module")
def service(keys: KeyFile) -> Iterator[Service]:
    many = {f"rate_per_{each}": "1000000/second" for each in ("key", "gallery", "address")}
    with services.opened(keys.path.parent, **many) as service:
        services.enrol(services.client(service), 2)
        yield service


@pytest.fixture(scope="module")
def app(service: Service, keys: KeyFile) -> FastAPI:
    keys.new(Grant(scopes=()))
    app = services.client(service, keys).app
    assert isinstance(app, FastAPI)
    return app


def places(document: dict[str, Any]) -> Iterator[Place]:
    """Every field of every operation, but for files."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for each in operation.get("parameters", ()):
                text = _is_text(document, each["schema"])
                yield Place(method.upper(), path, each["in"], each["name"], text)
            kind, schema = _body(document, operation)
            for name, member in schema.get("properties", {}).items():
                if name not in FILES:
                    yield Place(method.upper(), path, kind, name, _is_text(document, member))


def _body(document: dict[str, Any], operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        kind = "json" if media == "application/json" else "form"
        return kind, _resolved(document, content["schema"])
    return "", {}


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _is_text(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a field takes text of one's own, or a list of texts."""
    schema = _resolved(document, schema)
    several = schema.get("anyOf", ()), schema.get("allOf", ())
    if any(_is_text(document, each) for some in several for each in some):
        return True
    if schema.get("type") == "array":
        return _is_text(document, schema["items"])
    return schema.get("type") == "string" and "enum" not in schema


def _request(document: dict[str, Any], place: Place, value: Any) -> Sent:
    """A request that is right but for one field."""
    operation = document["paths"][place.path][place.method.lower()]
    path = place.path
    for each in operation.get("parameters", ()):
        if each["in"] == "path":
            hostile = (place.where, place.name) == ("path", each["name"])
            shown = value if hostile else VALID[each["name"]]
            path = path.replace(f"{{{each['name']}}}", _encoded(shown))
    sent = Sent(place.method, path)
    if place.where == "query":
        sent.query = f"{place.name}={_encoded(value)}".encode()
    kind, schema = _body(document, operation)
    fields = {name: VALID[name] for name in schema.get("required", ()) if name not in FILES}
    if place.where == kind:
        fields[place.name] = value
    if kind == "json":
        sent.body, sent.type = json.dumps(fields).encode(), "application/json"
    elif kind == "form":
        files = [name for name in schema["properties"] if name in FILES - {"other"}]
        sent.body = _multipart(fields, files)
        sent.type = "multipart/form-data; boundary=BOUNDARY"
    return sent


def _encoded(value: Any) -> str:
    return quote_from_bytes(str(value).encode("utf-8", "surrogatepass"), safe="")


def _multipart(fields: dict[str, Any], files: list[str]) -> bytes:
    parts = [
        (f'name="{name}"', str(value).encode("utf-8", "surrogatepass"))
        for name, value in fields.items()
    ]
    clip = services.probe(0, Modality.SILHOUETTE)
    parts += [(f'name="{name}"; filename="clip"', clip) for name in files]
    head = b"--BOUNDARY\r\nContent-Disposition: form-data; "
    body = b"".join(head + name.encode() + b"\r\n\r\n" + data + b"\r\n" for name, data in parts)
    return body + b"--BOUNDARY--\r\n"


async def _reply(app: FastAPI, sent: Sent, token: str) -> tuple[int, bytes]:
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    if sent.body:
        headers.append((b"content-length", str(len(sent.body)).encode()))
        headers.append((b"content-type", sent.type.encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": sent.method, "path": unquote(sent.path), "raw_path": sent.path.encode(),
        "query_string": sent.query, "root_path": "", "headers": headers,
        "client": ("192.0.2.1", 1), "server": ("x", 80),
    }  # fmt: skip
    left, answered, status, body = asyncio.Event(), bytearray(), 0, [sent.body]

    async def receive() -> Any:
        if not body:
            await left.wait()
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        answered.extend(message.get("body", b""))

    with suppress(Exception):  # the border has answered with 500, and says it again to the server
        await app(scope, receive, send)
    return status, bytes(answered)


def _ask(app: FastAPI, requests: list[tuple[Sent, str]]) -> list[tuple[int, bytes]]:
    async def every() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(_reply(app, sent, token) for sent, token in requests))

    return asyncio.run(every())


@pytest.mark.slow
def test_no_hostile_field_breaks_anything(
    app: FastAPI, service: Service, keys: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    document = app.openapi()
    tokens = {scope: keys.new(Grant(scopes=(scope,))).token for scope in Scope}
    every_key = (*tokens.values(), keys.new(Grant(scopes=())).token)
    wrong, reached, sent = [], Counter[str](), 0
    for place in places(document):
        for kind, value in (UNFIT | TRICKS | WRONG_TYPES).items():
            request = _request(document, place, value)
            for status, body in _ask(app, [(request, token) for token in every_key]):
                said = f"{place} {kind}: {status} {body[:200]!r}"
                kept = b"\x1b" in body or b"x" * 2000 in body
                if not 200 <= status < 500 or 300 <= status < 400 or kept:
                    wrong.append(said)
                if status < 400 and kind in UNFIT:
                    wrong.append(said)
                reached[str(place)] += status not in (401, 403)
                sent += 1
    assert wrong == []
    assert sent > 4000
    never = [place for place, times in reached.items() if not times]
    assert never == [], "no key gets as far as these fields"
    _check_what_is_stored(app, service, tokens, capsys)


def _check_what_is_stored(
    app: FastAPI, service: Service, tokens: dict[Scope, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for path, token in (
        ("/v1/audit", tokens[Scope.AUDIT_READ]),
        ("/v1/reviews", tokens[Scope.AUDIT_READ]),
        ("/v1/keys", tokens[Scope.ADMIN]),
        ("/v1/galleries", tokens[Scope.GALLERY_READ]),
        (services.SUBJECTS, tokens[Scope.GALLERY_READ]),
    ):
        cursor: str | None = ""
        while cursor is not None:
            query = f"limit=1000&cursor={quote(cursor)}" if cursor else "limit=1000"
            sent = Sent("GET", path, b"" if path == "/v1/keys" else query.encode())
            ((status, body),) = _ask(app, [(sent, token)])
            assert status == 200, (path, body)
            page = json.loads(body)
            for text in _texts(page):
                assert text.isprintable(), (path, text)
                assert len(text) <= 1200, (path, len(text))
            cursor = page.get("next_cursor")
            if path == "/v1/galleries":
                assert page["galleries"] == ["default"]
            if path == services.SUBJECTS:
                names = [each["subject"] for each in page["subjects"]]
                assert set(names) <= {"p000", "p001", "7", "['a']", "{'a': 1}"}
    show(service.settings.data)
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (name, *_texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
