"""`/v1/live`: watchers tell no more than the service found, and only who may see it is shown it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gallery.opening import create_gallery
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.audit.record import Action, Outcome, Record, ShownCandidate
from serve.audit.search import Filter
from serve.schemas.live import Passing
from serve.work.live import Live
from serve.work.service import Service
from tests import services
from tests.galleries import other_bundle

pytestmark = pytest.mark.serving

JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(200)).decode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path, live=3) as service:
        yield service


@pytest.fixture
def client(service: Service) -> TestClient:
    client = services.client(service)
    services.enrol(client, 2)
    return client


def searched(service: Service, decision: str, *subjects: str, **fields: Any) -> str:
    """The audit id of a search that found this."""
    known: dict[str, Any] = {
        "action": Action.IDENTIFY,
        "outcome": Outcome.DONE,
        "request": "r",
        "caller": "local",
    }
    known |= {"gallery": "default", "purpose": "entrance 3", "decision": decision} | fields
    shown = tuple(
        ShownCandidate(subject=name, similarity=0.8, template=row)
        for row, name in enumerate(subjects, 1)
    )
    return service.audit.write(Record(candidates=shown, **known)).audit_id


def passing(audit_id: str, decision: str | None, **fields: Any) -> dict[str, Any]:
    """What a watcher tells."""
    told = {"audit_id": audit_id, "decision": decision, "source": "gate", "track": 7}
    return told | {"quality": 0.9, "windows": 2, "seen_seconds": 4.5} | fields


def shown(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    reply = client.get("/v1/live", params=query)
    assert reply.status_code == 200, reply.text
    people: list[dict[str, Any]] = reply.json()["people"]
    return people


def test_who_was_found_is_shown_with_what_the_record_of_the_search_says(
    service: Service, client: TestClient
) -> None:
    record = searched(service, "match", "p001", "p000")
    reply = client.post("/v1/live", json=passing(record, "match", picture=JPEG))
    assert reply.status_code == 201, reply.text
    (one,) = shown(client)
    assert (one["subject"], one["similarity"], one["purpose"]) == ("p001", 0.8, "entrance 3")
    assert (one["source"], one["track"], one["picture"]) == ("gate", 7, JPEG)
    assert shown(client, after=one["number"]) == []


def test_somebody_told_again_is_there_once(service: Service, client: TestClient) -> None:
    told = passing(searched(service, "no_match"), "no_match")
    numbers = {client.post("/v1/live", json=told).json()["number"] for _ in range(2)}
    assert len(numbers) == len(shown(client)) == 1


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("possible", "match"),
        ("no_match", "possible"),
        ("match", "no_match"),
        ("undecided", "match"),
    ],
)
def test_nobody_is_called_more_than_the_search_found(
    service: Service, client: TestClient, found: str, told: str
) -> None:
    record = searched(service, found, "p001")
    reply = client.post("/v1/live", json=passing(record, told))
    assert (reply.status_code, reply.json()["code"]) == (422, "audit.invalid")


def test_a_contradicted_match_is_only_possible(service: Service, client: TestClient) -> None:
    record = searched(service, "match", "p001")
    assert client.post("/v1/live", json=passing(record, "possible")).status_code == 201
    assert shown(client)[0]["decision"] == "possible"


@pytest.mark.parametrize(("found", "told"), [("no_match", "no_match"), ("undecided", None)])
def test_of_strangers_no_name_and_no_picture_is_taken(
    service: Service, client: TestClient, found: str, told: str | None
) -> None:
    record = searched(service, found, "p001")
    reply = client.post("/v1/live", json=passing(record, told, picture=JPEG))
    assert reply.status_code == 422
    assert client.post("/v1/live", json=passing(record, told)).status_code == 201
    (one,) = shown(client)
    assert (one["subject"], one["similarity"], one["picture"]) == (None, None, None)


@pytest.mark.parametrize(
    "fields", [{"caller": "0a0a0a0a"}, {"action": Action.VERIFY}, {"outcome": Outcome.FAILED}]
)
def test_only_own_searches_are_told_of(
    service: Service, client: TestClient, fields: dict[str, Any]
) -> None:
    record = searched(service, "match", "p001", **fields)
    reply = client.post("/v1/live", json=passing(record, "match"))
    assert (reply.status_code, reply.json()["code"]) == (404, "audit.not_found")


@pytest.mark.parametrize("picture", ["PHN2Zz4=", "/9j/<svg>", "/9j/" + "A" * 43700])
def test_what_is_no_small_jpeg_is_refused(
    service: Service, client: TestClient, picture: str
) -> None:
    record = searched(service, "match", "p001")
    assert (
        client.post("/v1/live", json=passing(record, "match", picture=picture)).status_code == 422
    )


def test_whoever_is_erased_is_shown_no_more(service: Service, client: TestClient) -> None:
    for name in ("p000", "p001"):
        record = searched(service, "match", name)
        client.post("/v1/live", json=passing(record, "match", picture=JPEG))
    assert client.delete(f"{services.SUBJECTS}/p001").status_code == 200
    assert [one["subject"] for one in shown(client)] == ["p000"]
    assert [one.subject for one in service.live.all()] == ["p000"]


def test_a_gallery_of_another_model_hides_only_who_was_found_in_it(
    service: Service, client: TestClient, tmp_path: Path
) -> None:
    for gallery, name in (("default", "p001"), ("site-7", "p000")):
        told = passing(searched(service, "match", name, gallery=gallery), "match")
        assert client.post("/v1/live", json=told).status_code == 201
    folder = tmp_path / "data" / "galleries" / "site-7"
    create_gallery(folder, other_bundle(tmp_path / "bundle")).close()
    assert [each["subject"] for each in shown(client)] == ["p001"]


def test_the_oldest_make_room_and_numbers_rise(service: Service, client: TestClient) -> None:
    for track in range(5):
        told = passing(searched(service, "no_match"), "no_match", track=track)
        client.post("/v1/live", json=told)
    people = shown(client)
    assert [one["track"] for one in people] == [2, 3, 4]
    assert sorted({one["number"] for one in people}) == [one["number"] for one in people]
    assert [one["track"] for one in shown(client, limit=1)] == [4]


def test_who_passed_is_forgotten_after_a_day() -> None:
    now = 1e9
    live = Live(10, lambda: now)
    one = Passing(
        number=0, time="t", source="gate", track=1, decision=None, subject=None, similarity=None,
        quality=1, windows=1, seen_seconds=1, gallery="default", purpose=None, audit_id="1-a",
        picture=None,
    )  # fmt: skip
    live.add(one)
    now += 23 * 3600
    assert len(live.all()) == 1
    now += 2 * 3600
    assert live.all() == []


def test_a_key_sees_its_galleries_and_its_looking_is_recorded_once(
    service: Service, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    client = services.client(service, keys)
    token = keys.new(Grant(scopes=(Scope.IDENTIFY,))).token
    record = searched(service, "no_match", caller=token.partition(".")[0])
    told = {"Authorization": f"Bearer {token}"}
    reply = client.post("/v1/live", json=passing(record, "no_match"), headers=told)
    assert reply.status_code == 201, reply.text
    assert client.get("/v1/live", headers=told).status_code == 403
    for galleries, many in ((("site-7",), 0), (None, 1)):
        token = keys.new(Grant(scopes=(Scope.LIVE_READ,), galleries=galleries)).token
        looks = {"Authorization": f"Bearer {token}"}
        for _ in range(3):
            assert len(client.get("/v1/live", headers=looks).json()["people"]) == many
    seen = service.audit.select(*Filter(action=Action.WATCH, outcome=Outcome.DONE).sql())
    assert len(seen) == 2
