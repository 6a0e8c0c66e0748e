"""Extending and searching people, what ends soon, trying an enrolment, verifying the records."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.modality import Modality
from gait.own_bundle import own_bundle
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.settings import load_settings
from serve.work.service import Service
from tests import clip_files as files
from tests import services
from tests.services import AUTHORISATION, SUBJECTS, add, enrol, identify, probe

pytestmark = pytest.mark.serving
GALLERY = "/v1/galleries/default"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path) as service:
        yield service


@pytest.fixture
def client(service: Service) -> TestClient:
    return services.client(service)


def _extend(client: TestClient, subject: str, expires: str) -> Any:
    sent = {"authorisation": "form 18", "expires": expires}
    return client.post(f"{SUBJECTS}/{subject}:extend", json=sent)


def test_an_extension_counts_for_all_templates_and_is_recorded(client: TestClient) -> None:
    clips = [probe(0, Modality.SILHOUETTE, seed) for seed in range(3)]
    assert add(client, "anna", clips).status_code == 201
    reply = _extend(client, "anna", "2998-05-05").json()
    assert (reply["templates"], reply["expires"]) == (3, "2998-05-06T00:00:00+00:00")
    templates = client.get(f"{SUBJECTS}/anna").json()["templates"]
    assert {(t["authorisation"], t["expires"]) for t in templates} == {
        ("form 18", reply["expires"])
    }
    assert identify(client, clips[0]).json()["candidates"][0]["subject"] == "anna", "still found"
    records = client.get("/v1/audit", params={"action": "extend"}).json()["records"]
    assert [each["outcome"] for each in records] == ["intended", "done"]
    assert "form 18, until 2998-05-06" in records[1]["detail"]


def test_nobody_is_extended_into_the_past_and_strangers_not_at_all(client: TestClient) -> None:
    enrol(client, 1)
    assert _extend(client, "p000", "2001-01-01").json()["code"] == "request.invalid"
    assert _extend(client, "nobody", "2998-01-01").json()["code"] == "gallery.subject_not_found"
    assert client.get(f"{SUBJECTS}/p000").json()["templates"][0]["expires"].startswith("2999")


def test_people_are_found_by_a_part_of_their_name(client: TestClient) -> None:
    for name in ("Ada", "Grace", "100%", "a_b"):
        assert add(client, name, [probe(len(name), Modality.SILHOUETTE)]).status_code == 201
    for part, names in {"a": ["Ada", "Grace", "a_b"], "%": ["100%"], "_": ["a_b"]}.items():
        page = client.get(SUBJECTS, params={"contains": part}).json()
        assert [each["subject"] for each in page["subjects"]] == names
    first = client.get(SUBJECTS, params={"contains": "a", "limit": 1}).json()
    rest = client.get(SUBJECTS, params={"contains": "a", "cursor": first["next_cursor"]}).json()
    assert [each["subject"] for each in rest["subjects"]] == ["Grace", "a_b"]


def test_what_ends_soon_comes_first(client: TestClient) -> None:
    enrol(client, 3)
    _extend(client, "p001", "2990-01-01")
    _extend(client, "p002", "2980-01-01")
    reply = client.get(f"{GALLERY}/ending", params={"before": "2995-01-01"}).json()
    assert [(each["subject"], each["templates"]) for each in reply["ending"]] == [
        ("p002", 1),
        ("p001", 1),
    ]
    assert (reply["ending"][0]["expires"], reply["templates"]) == ("2980-01-02T00:00:00+00:00", 2)
    (one,) = client.get(f"{GALLERY}/ending?before=2995-01-01&limit=1").json()["ending"]
    assert one["subject"] == "p002"
    assert client.get(f"{GALLERY}/ending?before=soon").json()["code"] == "request.invalid"


def _check(client: TestClient, subject: str, clips: list[bytes], **fields: str) -> Any:
    sent = [("clips", ("clip", data)) for data in clips]
    reply = client.post(f"{SUBJECTS}/{subject}/templates:check", files=sent, data=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize("new_person", ["false", "true"])
def test_a_check_says_what_the_enrolment_then_does(tmp_path: Path, new_person: str) -> None:
    """By the package's model in the mode `strict`, so that clips are refused for every reason."""
    settings = load_settings(data=tmp_path / "data", bundle=own_bundle(), threads=1)
    service = Service.open(settings)
    try:
        client = services.client(service)
        walks = [files.npz(frames=files.walker(30, period=period)) for period in (10, 11, 12)]
        still = files.npz(frames=files.walker(1).repeat(30, axis=0))
        assert add(client, "ada", walks[:1]).status_code == 201
        for subject, clips in {
            "ada": [*walks, still],
            "grace": [walks[1], walks[0], b"no clip"],
            "new": [still],
        }.items():
            before = client.get(GALLERY).json()["gallery_revision"]
            found = _check(client, subject, clips, new_person=new_person)
            assert client.get(GALLERY).json()["gallery_revision"] == before, "nothing is stored"
            assert found["known"] == (1 if subject == "ada" else 0)
            done = client.post(
                f"{SUBJECTS}/{subject}/templates",
                files=[("clips", ("clip", data)) for data in clips],
                data=AUTHORISATION | {"new_person": new_person},
            ).json()
            told = [each["position"] for each in found["usable"]]
            assert told == [each["position"] for each in done.get("templates", [])]
            assert found["rejected"] == done["rejected"]
            if told:
                assert found["alike"] == done["alike"]
                assert found["duplicates"] == done["duplicates"]
    finally:
        service.close()


def test_whom_clips_match_is_told_to_keys_that_may_identify_only(
    tmp_path: Path, service: Service
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    token = keys.new(Grant(scopes=(Scope.ENROL,))).token
    client = services.client(service, keys, headers={"Authorization": f"Bearer {token}"})
    clip = probe(0, Modality.SILHOUETTE)
    found = _check(client, "anna", [clip])
    assert (len(found["usable"]), found["alike"]) == (1, [])
    assert found["audit_id"]


def test_the_records_are_verified_on_request(client: TestClient, service: Service) -> None:
    enrol(client, 2)
    report = client.get("/v1/audit:verify").json()
    assert (report["intact"], report["findings"]) == (True, [])
    assert report["records"] >= 5
    kept = client.get("/v1/audit:verify", params={"head": report["head"]}).json()
    assert kept["intact"], "a head that was kept is still there"
    assert kept["records"] == report["records"] + 1, "verifying is recorded"
    other = client.get("/v1/audit:verify", params={"head": "f" * 64}).json()
    assert not other["intact"]
    assert "kept elsewhere" in other["findings"][0]["problem"]


def test_an_edited_record_is_named(client: TestClient, service: Service) -> None:
    enrol(client, 1)
    with closing(sqlite3.connect(service.audit.path)) as database, database:
        database.execute(
            "UPDATE records SET text = replace(text, 'p000', 'p001') WHERE sequence = 2"
        )
    report = client.get("/v1/audit:verify").json()
    assert (report["intact"], report["findings"][0]["record"]) == (False, 2)


def test_strangers_are_shown_beside_a_damaged_calibration(
    service: Service, client: TestClient, tmp_path: Path
) -> None:
    enrol(client, 1)
    with closing(sqlite3.connect(tmp_path / "data/galleries/default/gallery.db")) as database:
        database.execute("UPDATE meta SET calibration = 'damaged', revision = revision + 1")
        database.commit()
    reply = client.get(f"{GALLERY}/strangers", params={"probe": "silhouette"})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["thresholds"], body["shares"], body["calibration"]) == (None, [], None)
    assert "changed in the database" in body["undecided"]
