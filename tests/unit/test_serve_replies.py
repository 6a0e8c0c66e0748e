"""What every reply has, what the log says of it, and when the service says that it is ready."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.errors import AuditUnavailableError
from gait.modality import Modality
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.audit.record import Action
from serve.work.service import Service
from tests import services

pytestmark = pytest.mark.serving
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path) as service:
        yield service


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]


def test_no_reply_may_be_kept_or_guessed_at(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = services.client(service, raise_server_exceptions=False)
    services.enrol(client, 1)
    replies: list[Any] = [
        client.get(path)
        for path in (services.SUBJECTS, "/v1/audit", "/v1/keys", "/nowhere", "/", "/metrics")
    ]
    replies += [client.put("/identify"), client.post("/identify"), client.delete("/v1/models")]
    monkeypatch.setattr(service, "on", None)  # so that the route fails
    replies += [client.get(services.SUBJECTS)]
    assert replies[-1].status_code == 500
    for reply in replies:
        found = {name: reply.headers.get(name) for name in PRIVATE}
        assert found == PRIVATE, reply.request.url


def test_guesses_at_keys_can_be_traced(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.GALLERY_READ,))).token
    key_id, _, secret = token.partition(".")
    client = services.client(service, keys, client=("192.0.2.7", 1))
    caplog.set_level(logging.INFO, logger="serve")
    sent = {
        token: key_id,
        f"{key_id}.guess": key_id,
        "00000000.guess": "00000000",
        secret: "unreadable",
        f"{secret}.{key_id}": "unreadable",
        "x" * 10_000: "unreadable",
    }
    for each, shown in sent.items():
        client.get(services.SUBJECTS, headers={"Authorization": f"Bearer {each}"})
        assert _lines(caplog)[-1].endswith(f" ms 192.0.2.7 key {shown}")
    client.get(services.SUBJECTS)
    assert _lines(caplog)[-1].endswith(" ms 192.0.2.7 key none")
    assert secret not in caplog.text
    assert "guess" not in caplog.text


@pytest.mark.parametrize(
    ("told", "shown"), [("2001:db8::1", "2001:db8::1"), ("x 200\n forged", "unknown")]
)
def test_an_address_that_a_header_gives_cannot_forge_lines(
    service: Service, caplog: pytest.LogCaptureFixture, told: str, shown: str
) -> None:
    caplog.set_level(logging.INFO, logger="serve")
    services.client(service, client=(told, 1)).get("/healthz")
    assert _lines(caplog)[-1].endswith(f" ms {shown} key none")


def test_methods_that_nobody_knows_are_counted_as_one(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Each label of the metrics is kept in memory for ever."""
    client = services.client(service)
    caplog.set_level(logging.INFO, logger="serve")
    for number in range(5):
        for path in ("/healthz", "/v1/identify", "/nowhere"):
            assert client.request(f"NEW{number}", path).status_code in (404, 405)
    counted = [
        line for line in client.get("/metrics").text.splitlines() if "requests_total" in line
    ]
    assert sum('method="any"' in line for line in counted) == 3
    assert "NEW" not in "".join(counted) + caplog.text


def test_not_ready_while_nothing_can_be_recorded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.audit.log._TRIED", 0.0)
    client = TestClient(services.client(service).app, base_url="http://localhost")
    assert client.get("/readyz").status_code == 200
    service.audit._db.execute("PRAGMA query_only = ON")
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["code"]) == (503, "audit.unavailable")
    assert client.get("/healthz").status_code == 200
    service.audit._db.execute("PRAGMA query_only = OFF")
    assert client.get("/readyz").status_code == 200


def test_not_ready_while_there_is_room_for_a_look_and_for_no_record(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.audit.log._TRIED", 0.0)
    (pages,) = service.audit._db.execute("PRAGMA page_count").fetchone()
    service.audit._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(AuditUnavailableError, match="disk is full"):
        service.audit.check()
    service.audit._db.execute("PRAGMA max_page_count = 1000")
    service.audit.check()


def test_the_look_whether_records_can_be_written_leaves_none(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = service.audit.last()
    monkeypatch.setattr("serve.audit.log._TRIED", 0.0)
    service.audit.check()
    assert service.audit.last() == before
    service.audit._db.execute("UPDATE head SET hash = 'another'")
    with pytest.raises(AuditUnavailableError, match="no use can be recorded"):
        service.audit.check()
    service.audit._db.execute("UPDATE head SET hash = ?", (before.hash,))


def test_a_refused_path_is_recorded_in_one_short_line(service: Service) -> None:
    client = services.client(service)
    for name in ("a%1b%5b2J%0aforged", "e%cc%81", "x" * 5000):
        assert client.delete(f"{services.SUBJECTS}/{name}").status_code in (404, 422)
    found = [each for each in service.audit.select("TRUE") if each.action is Action.REMOVE]
    told = {each.subject for each in found}
    assert told == {"a\\x1b[2J\\nforged", "\xe9", "x" * 256}


def test_clips_are_hashed_while_others_are_served(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest take a third of a second."""
    hashed: list[bytes] = []

    def probe(clip: bytes) -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        hashed.append(clip)
        return "0" * 64

    monkeypatch.setattr(service.audit.key, "probe", probe)
    clip = services.probe(0, Modality.SILHOUETTE)
    assert services.identify(services.client(service), clip).status_code == 200
    assert services.identify(services.client(service), b"none").status_code == 415
    assert hashed == [clip, b"none"]
