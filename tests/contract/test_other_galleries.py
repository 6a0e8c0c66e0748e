"""A key for some galleries is not told whether others exist, and strangers are told of none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.modality import Modality
from gallery.galleries import Unserved
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests import services
from tests.contract.test_scopes import routes_of

pytestmark = pytest.mark.serving

OURS, SECRET, NOTHING = "site-7", "secret-9", "nothing-9"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, KeyFile]]:
    folder: Path = tmp_path_factory.mktemp("others")
    keys = KeyFile(folder / "keys.json")
    keys.new(Grant(scopes=()))
    many = {f"rate_per_{each}": "1000000/second" for each in ("key", "gallery", "address")}
    with services.opened(folder, **many) as service:
        local = services.client(service)
        for gallery in (OURS, SECRET):
            assert local.post("/v1/galleries", json={"gallery": gallery}).status_code == 201
            services.enrol(local, 2, gallery=gallery, fields=services.KEPT)
        yield services.client(service, keys), keys


def _with(keys: KeyFile, *scopes: Scope) -> dict[str, str]:
    token = keys.new(Grant(scopes=scopes, galleries=(OURS,))).token
    return {"Authorization": f"Bearer {token}"}


def _told(reply: Any, gallery: str) -> Any:
    """A reply without what differs each time, and without the name that was sent."""
    text = reply.text.replace(gallery, "GALLERY")
    body = json.loads(text)
    for name in ("request_id", "timings_ms"):
        body.pop(name, None)
    kept = {"RateLimit-Policy", "Content-Type", "WWW-Authenticate"}
    headers = {name: reply.headers.get(name) for name in kept}
    return reply.status_code, body, headers


NEEDED = {"ending": {"before": "2999-01-01"}, "strangers": {"probe": "silhouette"}}
"""Parameters without which a route does not answer, by the end of its path."""
RESTRICTED = [scope for scope in Scope if scope is not Scope.ADMIN]


@pytest.mark.parametrize("scope", RESTRICTED)
def test_every_route_says_the_same_of_a_secret_gallery_and_of_none(
    stage: tuple[TestClient, KeyFile], scope: Scope
) -> None:
    client, keys = stage
    headers, app = _with(keys, scope), client.app
    asked: Any = app
    paths = [route for route in routes_of(asked) if "{g}" in route.path]
    assert len(paths) > 8
    for route in paths:
        told = []
        for gallery in (SECRET, NOTHING):
            path = route.path.format(g=gallery, subject="p000", template=1)
            told.append(_told(client.request(route.method, path, headers=headers), gallery))
        assert told[0] == told[1], route
        assert told[0][0] == 403


@pytest.mark.parametrize("path", ["/identify", "/v1/identify", "/v1/verify"])
def test_a_gallery_in_a_form_is_no_different(stage: tuple[TestClient, KeyFile], path: str) -> None:
    client, keys = stage
    headers, clip = (
        _with(keys, Scope.IDENTIFY, Scope.VERIFY),
        services.probe(0, Modality.SILHOUETTE),
    )
    told = []
    for gallery in (SECRET, NOTHING):
        fields = services.PURPOSE | {"gallery": gallery}
        fields |= {"subject": "p000"} if "verify" in path else {}
        reply = client.post(path, data=fields, files={"clip": clip}, headers=headers)
        told.append(_told(reply, gallery))
    assert told[0] == told[1]
    assert told[0][0] == 403


def test_what_can_be_read_names_no_other_gallery(stage: tuple[TestClient, KeyFile]) -> None:
    client, keys = stage
    services.identify(client, b"", path="/v1/identify")
    headers, asked = _with(keys, *RESTRICTED), client.app
    app: Any = asked
    read = [
        r.path for r in routes_of(app) if r.method == "GET" and r.path not in ("/", "/openapi.json")
    ]
    assert {"/readyz", "/metrics", "/v1/audit", "/v1/galleries"} <= set(read)
    for path in read:
        place = path.format(g=OURS, subject="p000", template=1)
        reply = client.get(place, headers=headers, params=NEEDED.get(path.rsplit("/", 1)[-1]))
        assert reply.status_code in (200, 403), (place, reply.text)
        assert SECRET not in reply.text, place
        assert reply.status_code == 403 or path in ("/healthz", "/readyz") or reply.text


def test_metrics_show_a_key_its_own_galleries(stage: tuple[TestClient, KeyFile]) -> None:
    client, keys = stage
    for galleries, seen in (((OURS,), {OURS}), (None, {OURS, SECRET, "default"})):
        token = keys.new(Grant(scopes=(), galleries=galleries)).token
        text = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
        for name in (OURS, SECRET, "default"):
            assert (f'gait_gallery_subjects{{gallery="{name}"}}' in text) == (name in seen)
        assert "gait_requests_total" in text


def test_readiness_names_no_gallery_to_those_without_a_key(
    stage: tuple[TestClient, KeyFile],
) -> None:
    client, _ = stage
    app: Any = client.app
    service = app.state.service
    service.unserved = {SECRET: Unserved("gallery.contract", "of another model")}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["galleries"]) == ("ready", [])
    assert (ready["unserved"], ready["unserved_galleries"]) == (1, [])
    service.unserved = {}


def test_a_review_of_another_gallery_is_no_different_from_none(
    stage: tuple[TestClient, KeyFile],
) -> None:
    client, keys = stage
    everything = keys.new(Grant(scopes=tuple(Scope))).token
    clip, fields = services.probe(0, Modality.SILHOUETTE), services.PURPOSE | {"gallery": SECRET}
    found = client.post(
        "/v1/identify",
        data=fields,
        files={"clip": clip},
        headers={"Authorization": f"Bearer {everything}"},
    )
    assert found.status_code == 200, found.text
    headers = _with(keys, Scope.AUDIT_READ)
    told = [
        _told(client.get("/v1/reviews", params={"audit_id": each}, headers=headers), each)
        for each in (found.json()["audit_id"], "1-0123456789abcdef")
    ]
    assert told[0] == told[1]
    assert told[0][0] == 404
