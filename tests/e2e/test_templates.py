"""Templates and people over HTTP: enrolled under an authorisation, listed, merged, erased."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.modality import Modality
from tests import services
from tests.services import AUTHORISATION, SUBJECTS, add, enrol, identify, probe

pytestmark = pytest.mark.serving

SILHOUETTE, RANGE_VIEW = Modality


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with services.opened(tmp_path) as service, services.client(service) as client:
        yield client


def code(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def test_a_template_says_why_it_may_be_kept_and_until_when(client: TestClient) -> None:
    enrol(client, 1)
    (template,) = client.get(f"{SUBJECTS}/p000/templates").json()["templates"]
    assert template["authorisation"] == "consent form 17"
    assert template["expires"] == "2999-01-02T00:00:00+00:00"
    shown = client.get(f"{SUBJECTS}/p000/templates/{template['template']}").json()
    assert shown["template"] == template


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"authorisation", "expires"}),
        ({"authorisation": "consent 17"}, {"expires"}),
        ({"expires": "2999-01-01"}, {"authorisation"}),
        (AUTHORISATION | {"authorisation": ""}, {"authorisation"}),
        (AUTHORISATION | {"expires": "2001-01-01"}, {"expires"}),
        (AUTHORISATION | {"expires": "soon"}, {"expires"}),
        (AUTHORISATION | {"expires": "2999-01-01T12:00:00"}, {"expires"}),
        (AUTHORISATION | {"expires": "2999-13-01"}, {"expires"}),
        (AUTHORISATION | {"expires": "9" * 41}, {"expires"}),
    ],
)
def test_nobody_is_enrolled_without_an_authorisation_that_holds(
    client: TestClient, fields: dict[str, str], wrong: set[str]
) -> None:
    files = {"clips": ("clip", probe(0, SILHOUETTE))}
    reply = client.post(f"{SUBJECTS}/Ada/templates", files=files, data=fields)
    assert code(reply) == (422, "request.invalid")
    assert {each["field"] for each in reply.json()["fields"]} == wrong
    assert client.get(SUBJECTS).json()["subjects"] == []


def test_a_time_with_its_zone_is_an_expiry(client: TestClient) -> None:
    files = {"clips": ("clip", probe(0, SILHOUETTE))}
    fields = {"authorisation": "consent 17", "expires": "2999-01-01T12:00:00+02:00"}
    assert client.post(f"{SUBJECTS}/Ada/templates", files=files, data=fields).status_code == 201
    (template,) = client.get(f"{SUBJECTS}/Ada").json()["templates"]
    assert template["expires"] == "2999-01-01T10:00:00+00:00"


def test_pages_of_templates_hold_each_once_the_oldest_first(client: TestClient) -> None:
    add(client, "Ada", [probe(person, SILHOUETTE) for person in range(5)])
    ids, cursor = [], None
    for _ in range(3):
        page = client.get(
            f"{SUBJECTS}/Ada/templates",
            params={"limit": 2} | ({"cursor": cursor} if cursor else {}),
        ).json()
        ids += [each["template"] for each in page["templates"]]
        cursor = page["next_cursor"]
    assert ids == sorted(set(ids))
    assert len(ids) == 5
    assert cursor is None
    for bad in ("é!", "YQ", "LTE"):  # no base64, `a`, `-1`
        reply = client.get(f"{SUBJECTS}/Ada/templates", params={"cursor": bad})
        assert code(reply) == (400, "request.malformed")


def test_one_template_is_erased_and_the_rest_is_still_found(client: TestClient) -> None:
    sent = [probe(1, SILHOUETTE), probe(2, SILHOUETTE)]
    first, second = [t["template"] for t in add(client, "Ada", sent).json()["templates"]]
    receipt = client.delete(f"{SUBJECTS}/Ada/templates/{first}").json()["receipt"]
    assert (receipt["gallery"], receipt["subject"]) == ("default", "Ada")
    assert receipt["templates"] == [first]
    (found,) = identify(client, sent[0]).json()["candidates"]
    assert found["template"] == second
    for method in ("GET", "DELETE"):
        reply = client.request(method, f"{SUBJECTS}/Ada/templates/{first}")
        assert code(reply) == (404, "gallery.template_not_found")


def test_a_template_belongs_to_its_person_only(client: TestClient) -> None:
    enrol(client, 2)
    (template,) = client.get(f"{SUBJECTS}/p001").json()["templates"]
    for method in ("GET", "DELETE"):
        reply = client.request(method, f"{SUBJECTS}/p000/templates/{template['template']}")
        assert code(reply) == (404, "gallery.template_not_found")
    assert client.get(f"{SUBJECTS}/p001").json()["templates"] == [template]


@pytest.mark.parametrize("template", ["0", "-1", "x", "9" * 30, "1.5"])
def test_what_is_no_template_id_is_refused(client: TestClient, template: str) -> None:
    enrol(client, 1)
    reply = client.get(f"{SUBJECTS}/p000/templates/{template}")
    assert code(reply) == (422, "request.invalid")


def test_two_who_turn_out_to_be_one_are_merged(client: TestClient) -> None:
    enrol(client, 3)
    reply = client.post(f"{SUBJECTS}/p001:merge", json={"into": "p000"}).json()
    assert (reply["subject"], reply["templates_moved"]) == ("p000", 1)
    assert len(client.get(f"{SUBJECTS}/p000").json()["templates"]) == 2
    found = identify(client, probe(1, SILHOUETTE)).json()["candidates"]
    assert [each["subject"] for each in found] == ["p000", "p002"]
    assert client.get(f"{SUBJECTS}/p001").status_code == 404


@pytest.mark.parametrize(
    ("subject", "into", "status"),
    [("p000", "nobody", 404), ("nobody", "p000", 404), ("p000", "p000", 422), ("p000", "", 422)],
)
def test_merging_that_makes_no_sense_changes_nothing(
    client: TestClient, subject: str, into: str, status: int
) -> None:
    enrol(client, 1)
    reply = client.post(f"{SUBJECTS}/{subject}:merge", json={"into": into})
    assert reply.status_code == status, reply.text
    assert len(client.get(f"{SUBJECTS}/p000").json()["templates"]) == 1


def test_a_search_can_be_kept_to_some_people(client: TestClient) -> None:
    enrol(client, 4)
    reply = client.post(
        "/identify",
        files={"clip": probe(2, SILHOUETTE)},
        data={"purpose": "test", "subjects": ["p001", "p003", "nobody"]},
    )
    assert {each["subject"] for each in reply.json()["candidates"]} == {"p001", "p003"}
