"""Every route refuses fields that it does not have, fields sent twice, and empty ones."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.modality import Modality
from serve.text import nearest
from tests import services
from tests.contract.test_hostile_fields import VALID, Place, places

pytestmark = pytest.mark.serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with services.opened(tmp_path_factory.mktemp("fields")) as service:
        yield services.client(service)


def _answer(client: TestClient, place: Place, fields: list[tuple[str, str]]) -> tuple[int, str]:
    """Status and words of the answer to nothing but these fields."""
    path = place.path.format(**VALID)
    sent: dict[str, Any] = {}
    if place.where == "query":
        sent["params"] = fields
    elif place.where == "json":
        pairs = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields)
        sent |= {"content": f"{{{pairs}}}", "headers": {"Content-Type": "application/json"}}
    else:
        head = 'Content-Disposition: form-data; name="'
        body = "".join(f'--x\r\n{head}{name}"\r\n\r\n{value}\r\n' for name, value in fields)
        kind = "multipart/form-data; boundary=x"
        sent |= {"content": f"{body}--x--\r\n", "headers": {"Content-Type": kind}}
    reply = client.request(place.method, path, **sent)
    return reply.status_code, reply.json()["detail"]


def _of(client: TestClient, *where: str) -> list[Place]:
    app: Any = client.app
    return [each for each in places(app.openapi()) if each.where in where]


def test_a_misspelt_field_is_refused_with_the_nearest_name(client: TestClient) -> None:
    fields = _of(client, "query", "form", "json")
    assert len(fields) > 40
    for place in fields:
        wrong = place.name + place.name[-1]
        status, detail = _answer(client, place, [(wrong, "1")])
        assert status == 422, place
        assert f"{wrong}: there is no such field, did you mean {place.name}?" in detail


def test_a_single_field_is_refused_when_it_is_sent_twice(client: TestClient) -> None:
    for place in _of(client, "query", "form", "json"):
        if (place.where, place.name) == ("query", "head"):
            continue  # it may be repeated, and needs nothing else
        status, detail = _answer(client, place, [(place.name, "1"), (place.name, "2")])
        assert status == 422, place
        many = (place.where, place.name) == ("form", "subjects")
        assert (f"{place.name}: is there 2 times" in detail) != many, detail


def test_an_empty_field_is_refused(client: TestClient) -> None:
    for place in _of(client, "query", "form"):
        status, detail = _answer(client, place, [(place.name, "")])
        assert status == 422, place
        assert f"{place.name}: is empty" in detail


def test_a_field_in_the_wrong_place_is_named(client: TestClient) -> None:
    reply = client.post("/identify?gallery=site-7", data=services.PURPOSE)
    assert "gallery: belongs in the body" in reply.json()["detail"]


def test_a_deletion_that_is_sent_more_than_its_path_deletes_nothing(client: TestClient) -> None:
    services.enrol(client, 2)
    bodies: list[dict[str, Any]] = [{name: {"subject": "p000"}} for name in ("data", "json")]
    for sent in bodies:
        reply = client.request("DELETE", "/v1/galleries/default", **sent)
        assert (reply.status_code, reply.json()["code"]) == (422, "request.invalid")
    reply = client.delete("/v1/galleries/default?subject=p000")
    assert (reply.status_code, reply.json()["code"]) == (422, "request.invalid")
    assert len(client.get(services.SUBJECTS).json()["subjects"]) == 2


def test_what_was_ignored_before_finds_nobody(client: TestClient) -> None:
    clip = services.probe(1, Modality.SILHOUETTE)
    for field in ("galery", "subject", "topk"):
        reply = services.identify(client, clip, {field: "1"})
        assert (reply.status_code, reply.json()["code"]) == (422, "request.invalid")


def test_routes_without_needs_check_their_query_too(client: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/"):
        assert client.get(path).status_code == 200
        assert client.get(path, params={"verbose": "1"}).status_code == 422


def test_a_body_that_is_no_object_is_left_to_the_framework(client: TestClient) -> None:
    for body in ("[", "[]", "1", "[" * 60_000):
        headers = {"Content-Type": "application/json"}
        reply = client.post("/v1/galleries", content=body, headers=headers)
        assert reply.status_code in (400, 422), body[:10]


def test_many_wrong_names_cost_no_more_than_some(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a while to compare with the right ones, in which nobody else is served."""
    compared: list[str] = []

    def counted(name: str, known: Any) -> str:
        compared.append(name)
        return nearest(name, known)

    monkeypatch.setattr("serve.schemas.known_fields.nearest", counted)
    wrong = {f"nam{number}": "x" for number in range(3000)}
    replies = [client.post("/v1/galleries", json=wrong), client.get("/v1/audit", params=wrong)]
    for reply in replies:
        assert (reply.status_code, len(reply.json()["fields"])) == (422, 20)
    assert len(compared) == 40
