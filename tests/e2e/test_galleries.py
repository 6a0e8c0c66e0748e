"""Several galleries behind one service: made, filled, listed, emptied and deleted over HTTP."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.errors import StorageError
from gait.modality import Modality
from gallery.gallery import Found, Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record import record
from serve.audit.record import Outcome
from serve.work.service import Service
from tests import services
from tests.galleries import TINY, enrolment, other_bundle, random_embeddings
from tests.services import KEPT, PURPOSE, SUBJECTS, add, enrol, identify, probe

pytestmark = pytest.mark.serving

SILHOUETTE, RANGE_VIEW = Modality
EVERYONE = {"everyone": "true"}
HOSTILE = [
    "..",
    "../default",
    "%2e%2e%2fdefault",
    "..%5cdefault",
    "default%00",
    "default%0a",
    "Default",
    "défaut",
    "名",
    ".hidden",
    "-x",
    "a b",
    "x" * 64,
    "x" * 5000,
    "con:",
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path, workers=4) as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with services.client(service) as opened:
        yield opened


def create(client: TestClient, name: str) -> Any:
    return client.post("/v1/galleries", json={"gallery": name})


def code(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def test_people_of_one_gallery_are_not_found_in_another(client: TestClient) -> None:
    assert create(client, "site-7").status_code == 201
    enrol(client, 2)
    enrol(client, 1, gallery="site-7")
    for gallery, people in (("default", 2), ("site-7", 1)):
        found = identify(client, probe(1, SILHOUETTE), {"gallery": gallery}).json()
        assert found["gallery"] == gallery
        assert len(found["candidates"]) == people
    shown = client.get("/v1/galleries/site-7").json()
    assert (shown["subjects"], shown["templates"]) == (1, {"silhouette": 1, "range_view": 0})
    assert (shown["ready"], shown["gallery_revision"]) == (True, 1)


def test_pages_of_galleries_hold_each_once_in_order(client: TestClient) -> None:
    for name in ("b", "a", "c", "d"):
        create(client, name)
    names, cursor = [], None
    for _ in range(3):
        page = client.get(
            "/v1/galleries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        names += page["galleries"]
        cursor = page["next_cursor"]
    assert names == ["a", "b", "c", "d", "default"]
    assert cursor is None


def test_a_gallery_that_is_there_is_not_made_again(client: TestClient) -> None:
    enrol(client, 1)
    assert code(create(client, "default")) == (409, "gallery.exists")
    assert identify(client, probe(0, SILHOUETTE)).status_code == 200


def test_a_deleted_gallery_is_gone_with_a_receipt_for_everyone(
    client: TestClient, tmp_path: Path
) -> None:
    create(client, "old")
    enrol(client, 3, gallery="old")
    enrol(client, 1, RANGE_VIEW, gallery="old")
    deleted = client.delete("/v1/galleries/old", params=EVERYONE).json()
    assert (deleted["subjects_removed"], deleted["templates_removed"]) == (3, 4)
    assert [each["subject"] for each in deleted["receipts"]] == ["p000", "p001", "p002"]
    assert not (tmp_path / "data" / "galleries" / "old").exists()
    for reply in (
        client.get("/v1/galleries/old"),
        client.delete("/v1/galleries/old", params=EVERYONE),
        client.get("/v1/galleries/old/subjects"),
        identify(client, probe(0, SILHOUETTE), {"gallery": "old"}),
        add(client, "p000", [probe(0, SILHOUETTE)], "old"),
    ):
        assert code(reply) == (404, "gallery.not_found")
    assert create(client, "old").status_code == 201
    assert client.get("/v1/galleries/old").json()["subjects"] == 0


def test_a_gallery_is_deleted_only_when_all_people_are_meant(client: TestClient) -> None:
    enrol(client, 2)
    for query in ({}, {"everyone": "false"}):
        assert code(client.delete("/v1/galleries/default", params=query)) == (
            422,
            "request.invalid",
        )
    assert client.get("/v1/galleries/default").json()["subjects"] == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_reaches_the_file_system(client: TestClient, tmp_path: Path, name: str) -> None:
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for reply in (
        client.get(f"/v1/galleries/{name}"),
        client.delete(f"/v1/galleries/{name}", params=EVERYONE),
        client.get(f"/v1/galleries/{name}/subjects"),
    ):
        assert reply.status_code in (404, 405, 422), (name, reply.text)
    assert identify(client, probe(0, SILHOUETTE), {"gallery": name}).status_code in (404, 422)
    assert create(client, name).status_code == 422
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("body", [{}, {"gallery": ""}, {"gallery": 7}, {"gallery": "a", "b": 1}, 5])
def test_what_is_no_gallery_is_refused(client: TestClient, body: Any) -> None:
    assert client.post("/v1/galleries", json=body).status_code == 422


def test_of_many_who_make_one_gallery_one_does(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: create(client, "new").status_code, range(8)))
    assert sorted(replies) == [201] + [409] * 7


def test_making_and_deleting_at_once_leaves_a_gallery_or_none(client: TestClient) -> None:
    def either(turn: int) -> int:
        deleting = partial(client.delete, "/v1/galleries/x", params=EVERYONE)
        reply = deleting() if turn % 2 else create(client, "x")
        return int(reply.status_code)

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(either, range(60)))
    assert set(replies) <= {200, 201, 404, 409}
    there = replies.count(201) - replies.count(200)
    assert there in (0, 1)
    assert client.get("/v1/galleries/x").status_code == (200 if there else 404)


def test_a_gallery_is_deleted_after_the_search_in_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "old")
    enrol(client, 2, gallery="old")
    searching, go_on = threading.Event(), threading.Event()
    search = Gallery.search

    def slow(*arguments: Any, **options: Any) -> Found:
        searching.set()
        assert go_on.wait(20)
        return search(*arguments, **options)

    monkeypatch.setattr(Gallery, "search", slow)
    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(identify, client, probe(1, SILHOUETTE), {"gallery": "old"})
        assert searching.wait(20)
        deleted = pool.submit(client.delete, "/v1/galleries/old", params=EVERYONE)
        assert client.get("/v1/galleries").status_code == 200, "others are served meanwhile"
        assert client.get("/readyz").status_code == 200
        assert not deleted.done()
        go_on.set()
        assert found.result().json()["candidates"][0]["subject"] == "p001"
        assert deleted.result().json()["subjects_removed"] == 2


def test_searches_while_galleries_come_and_go_end_in_an_answer(client: TestClient) -> None:
    def churn(_: int) -> None:
        create(client, "x")
        add(client, "Ada", [probe(0, SILHOUETTE)], "x")
        client.delete("/v1/galleries/x", params=EVERYONE)

    def search(_: int) -> str:
        reply = identify(client, probe(0, SILHOUETTE), {"gallery": "x"})
        return str(reply.json().get("code", "found"))

    with ThreadPoolExecutor(6) as pool:
        churned = [pool.submit(churn, turn) for turn in range(8)]
        answers = set(pool.map(search, range(40)))
        for each in churned:
            each.result()
    assert answers <= {"found", "gallery.not_found"}


def test_a_gallery_of_another_model_is_named_not_searched(
    client: TestClient, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "galleries" / "other"
    create_gallery(folder, other_bundle(tmp_path / "bundle")).close()
    reply = client.get("/v1/galleries/other")
    assert code(reply) == (409, "gallery.contract")
    assert "'other'" in reply.json()["detail"]
    assert str(tmp_path) not in reply.text
    assert "other" in client.get("/v1/galleries").json()["galleries"]
    assert identify(client, b"", PURPOSE).status_code == 415, "the others are served"


def _put_in_place(folder: Path) -> None:
    """Another gallery in the place of one, as when an operator restores it."""
    shutil.rmtree(folder)
    with create_gallery(folder, TINY) as gallery:
        gallery.enrol([enrolment("cleo", random_embeddings(1)[0])])


def test_who_is_enrolled_after_a_folder_was_replaced_is_in_the_new_one(
    client: TestClient, tmp_path: Path
) -> None:
    """SQLite would go on with the old file, which has no name any more, and lose them."""
    folder = tmp_path / "data" / "galleries" / "default"
    enrol(client, 1)
    _put_in_place(folder)
    assert add(client, "anna", [probe(3, SILHOUETTE)]).status_code == 201
    with open_gallery(folder) as gallery:
        assert [each.name for each in gallery.subjects()] == ["anna", "cleo"]
    shutil.rmtree(folder)
    assert code(add(client, "bert", [probe(4, SILHOUETTE)])) == (404, "gallery.not_found")
    assert code(client.get("/v1/galleries/default")) == (404, "gallery.not_found")


def test_deleting_a_gallery_erases_those_who_are_in_it_now(
    client: TestClient, tmp_path: Path
) -> None:
    create(client, "old")
    _put_in_place(tmp_path / "data" / "galleries" / "old")
    deleted = client.delete("/v1/galleries/old", params=EVERYONE).json()
    assert [each["subject"] for each in deleted["receipts"]] == ["cleo"]


@pytest.mark.parametrize("what", ["", "/templates/1", "/templates/1/picture"])
def test_an_erasure_is_answered_though_the_log_cannot_be_emptied(
    service: Service, client: TestClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As while a backup reads it: the key is gone, and nobody can ask for a receipt again."""
    enrol(client, 1, fields=KEPT)
    monkeypatch.setattr(record, "finish_erasure", _cannot)
    reply = client.delete(f"{SUBJECTS}/p000{what}")
    assert reply.status_code == 200, reply.text
    receipt = reply.json()["receipt"]
    assert (receipt["subject"], receipt["destruction"]) == ("p000", "deleted")
    told = service.audit.last()
    assert (told.outcome, told.templates) == (Outcome.DONE, (1,))
    assert receipt["key"] in str(told.detail)


def test_a_deletion_that_fails_on_the_way_tells_who_is_erased(
    service: Service, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(client, 3)
    with monkeypatch.context() as failing:
        failing.setattr(record, "finish_erasure", _cannot)
        reply = client.delete("/v1/galleries/default", params=EVERYONE)
    assert code(reply) == (507, "storage.failed")
    assert [each["subject"] for each in reply.json()["receipts"]] == ["p000"]
    told = service.audit.last()
    assert (told.outcome, told.detail) == (Outcome.UNKNOWN, "storage.failed; 1 people erased")
    again = client.delete("/v1/galleries/default", params=EVERYONE).json()
    assert [each["subject"] for each in again["receipts"]] == ["p001", "p002"]


def test_a_damaged_name_keeps_no_gallery_from_being_deleted(
    client: TestClient, tmp_path: Path
) -> None:
    enrol(client, 2)
    with closing(sqlite3.connect(tmp_path / "data" / "galleries" / "default" / "gallery.db")) as db:
        db.execute("UPDATE subjects SET name = CAST(x'41ff' AS TEXT) WHERE id = 1")
        db.commit()
    deleted = client.delete("/v1/galleries/default", params=EVERYONE).json()
    assert [each["subject"] for each in deleted["receipts"]] == ["p001"]


def _cannot(_: object) -> None:
    raise StorageError("is erased but for its log")


def test_galleries_are_there_again_after_a_restart(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service, services.client(service) as client:
        create(client, "b")
        enrol(client, 2, gallery="b")
    with services.opened(tmp_path) as service, services.client(service) as client:
        assert client.get("/v1/galleries").json()["galleries"] == ["b", "default"]
        assert client.get("/v1/galleries/b").json()["subjects"] == 2
