"""Keys, host names, browser origins and rates, as a running service sees them."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.errors import StorageError
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.page import PAGE
from tests import services

pytestmark = pytest.mark.serving
READER = Grant(scopes=(Scope.GALLERY_READ,))


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def token(keys: KeyFile) -> str:
    return keys.new(READER).token


@pytest.fixture
def client(tmp_path: Path, keys: KeyFile, token: str) -> Iterator[TestClient]:
    with services.opened(tmp_path) as service:
        yield services.client(service, keys)


def _with(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _get(client: TestClient, token: str, path: str = services.SUBJECTS) -> Any:
    return client.get(path, headers=_with(token))


def test_with_keys_only_what_tells_nothing_is_open(client: TestClient, token: str) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", *PAGE):
        assert client.get(path).status_code == 200
    for headers in ({}, _with(f"{token}x"), {"Authorization": f"Basic {token}"}):
        for path in (services.SUBJECTS, "/metrics", "/v1/models", "/elsewhere"):
            reply = client.get(path, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (401, "access.key")
            assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert client.post("/identify", headers=headers).status_code == 401
    right = {"Authorization": f"bearer {token}"}
    assert client.get(services.SUBJECTS, headers=right).status_code == 200
    assert client.get("/metrics", headers=right).status_code == 200
    assert client.get("/elsewhere", headers=right).status_code == 404


def test_a_key_without_scopes_reads_metrics_and_models_only(
    client: TestClient, keys: KeyFile
) -> None:
    token = keys.new(Grant(scopes=())).token
    assert _get(client, token, "/metrics").status_code == 200
    assert _get(client, token, "/v1/models").status_code == 200
    refused = _get(client, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.scope")
    assert refused.json()["scope"] == "gallery:read"


def test_a_command_that_revokes_or_rotates_counts_at_once(
    client: TestClient, keys: KeyFile, token: str
) -> None:
    elsewhere = KeyFile(keys.path)
    assert _get(client, token).status_code == 200
    rotated = elsewhere.rotate(token.partition(".")[0], overlap_hours=1).token
    assert _get(client, token).status_code == 200
    assert _get(client, rotated).status_code == 200
    elsewhere.revoke(token.partition(".")[0])
    assert _get(client, token).status_code == 401
    assert _get(client, rotated).status_code == 401


def test_a_damaged_key_file_closes_the_service_and_not_its_health(
    client: TestClient, keys: KeyFile, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = keys.path.read_bytes()
    keys.path.write_bytes(good[:-20])
    caplog.set_level(logging.ERROR, logger="serve")
    for _ in range(2):
        reply = _get(client, token)
        assert (reply.status_code, reply.json()["code"]) == (503, "access.unavailable")
        assert str(keys.path) not in reply.text
    assert len([line for line in caplog.messages if "until the key file is repaired" in line]) == 1
    assert client.get("/healthz").status_code == 200
    keys.path.write_bytes(good)
    assert _get(client, token).status_code == 200


def test_a_service_without_keys_asks_for_them_once_there_is_a_file(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json", optional=True)
    with services.opened(tmp_path) as service:
        client = services.client(service, keys)
        assert client.get(services.SUBJECTS).status_code == 200
        assert client.get("/v1/keys").json()["code"] == "access.refused"
        assert "securitySchemes" not in client.get("/openapi.json").json()["components"]
        token = KeyFile(keys.path).new(READER).token
        assert client.get(services.SUBJECTS).json()["code"] == "access.key"
        assert _get(client, token).status_code == 200
        assert keys.used.is_file()
        keys.path.unlink()
        reply = client.get(services.SUBJECTS)
        assert (reply.status_code, reply.json()["code"]) == (503, "access.unavailable")


def test_a_mark_that_cannot_be_written_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: KeyFile) -> None:
        raise StorageError("cannot write keys.json.used (No space left on device)")

    keys = KeyFile(tmp_path / "keys.json", optional=True)
    keys.path.symlink_to("nowhere")
    monkeypatch.setattr(KeyFile, "mark", full)
    with services.opened(tmp_path) as service:
        reply = services.client(service, keys).get(services.SUBJECTS)
    assert (reply.status_code, reply.json()["code"]) == (503, "access.unavailable")
    assert "No space left" in caplog.text


def test_a_key_is_held_to_its_rate(tmp_path: Path, keys: KeyFile, token: str) -> None:
    with services.opened(tmp_path, rate_per_key="3/minute") as service:
        client = services.client(service, keys)
        for left in (2, 1, 0):
            reply = _get(client, token)
            assert reply.status_code == 200
            assert reply.headers["RateLimit"].startswith(f'"key";r={left};t=')
        refused = _get(client, token)
        assert (refused.status_code, refused.json()["code"]) == (429, "access.rate")
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert refused.headers["RateLimit-Policy"] == '"key";q=3;w=60'
        assert _get(client, keys.new(READER).token).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_a_gallery_is_held_to_its_rate_whoever_asks(
    tmp_path: Path, keys: KeyFile, token: str
) -> None:
    with services.opened(tmp_path, rate_per_gallery="2/minute") as service:
        client = services.client(service, keys)
        for each in (token, keys.new(READER).token):
            reply = _get(client, each)
            assert reply.status_code == 200
        assert reply.headers["RateLimit-Policy"] == '"key";q=600;w=60, "gallery";q=2;w=60'
        refused = _get(client, token)
        assert (refused.status_code, refused.json()["limit"]) == (429, "gallery")
        assert int(refused.headers["Retry-After"]) >= 1
        identify = keys.new(Grant(scopes=(Scope.IDENTIFY,))).token
        reply = client.post(
            "/v1/identify",
            files={"clip": b"x"},
            data=services.PURPOSE,
            headers=_with(identify),
        )
        assert reply.json()["limit"] == "gallery"
        assert _get(client, token, "/v1/galleries/other").status_code == 404


def test_strangers_are_slowed_down_and_shut_nobody_out(
    tmp_path: Path, keys: KeyFile, token: str
) -> None:
    with services.opened(tmp_path, rate_per_address="2/minute") as service:
        client = services.client(service, keys)
        statuses = [_get(client, "ffffffff.guess").status_code for _ in range(4)]
        assert statuses == [401, 401, 429, 429]
        assert _get(client, token).status_code == 200


def test_without_keys_nothing_is_counted(tmp_path: Path) -> None:
    with services.opened(
        tmp_path, rate_per_key="1/hour", rate_per_gallery="1/hour", rate_per_address="1/hour"
    ) as service:
        client = services.client(service)
        for _ in range(3):
            reply = client.get(services.SUBJECTS)
            assert reply.status_code == 200
            assert "RateLimit" not in reply.headers


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]"]
)
def test_loopback_names_are_answered(tmp_path: Path, host: str) -> None:
    with services.opened(tmp_path) as service:
        reply = services.client(service).get("/healthz", headers={"Host": host})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""]
)
def test_names_rebound_to_loopback_are_refused(tmp_path: Path, host: str) -> None:
    with services.opened(tmp_path) as service:
        reply = services.client(service).get("/healthz", headers={"Host": host})
    assert (reply.status_code, reply.json()["code"]) == (421, "access.host")


def test_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        for origin in ("https://evil.example", "null", "http://localhost:9999", "http://["):
            reply = client.delete(f"{services.SUBJECTS}/x", headers={"Origin": origin})
            assert (reply.status_code, reply.json()["code"]) == (403, "access.origin")
        own = client.get(services.SUBJECTS, headers={"Origin": "http://localhost"})
        assert own.status_code == 200
