"""Moving pictures of enrolled clips: kept only if wanted, encrypted, and gone with the person."""

# ruff: noqa: F811 - fixtures of another module

import base64
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gait.cli import run
from gait.errors import GalleryCorruptError, PictureNotFoundError, TemplateNotFoundError
from gait.modality import Modality
from gait.moving_picture import SHORT, MovingPicture
from gallery import build
from gallery.gallery import Gallery
from gallery.opening import open_gallery
from gallery.record.engine import transaction
from gallery.record.schema import PICTURES
from gallery.template import Enrolment
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests import services
from tests.contract.test_gallery_promises import (  # noqa: F401 - fixtures
    BRIEF,
    SOON,
    at,
    gallery,
    on_each_record,
    place,
)
from tests.galleries import AUTHORISED, TINY, enrolment, random_embeddings, walk

pytestmark = pytest.mark.serving

PICTURE = MovingPicture.of(walk(0, 6, Modality.SILHOUETTE), [n / 8 for n in range(6)])


def _enrolment(subject: str, seed: int = 0, **fields: Any) -> Enrolment:
    made = enrolment(subject, random_embeddings(1, seed)[0])
    return replace(made, **({"picture": PICTURE} | fields))


def _rows(gallery: Gallery) -> list[bytes]:
    with gallery._record.engine.connect() as connection:
        query = select(PICTURES.c.sealed).order_by(PICTURES.c.template)
        return [bytes(row) for row in connection.execute(query).scalars()]


@on_each_record
def test_a_picture_is_kept_if_it_comes_with_the_clip(gallery: Gallery) -> None:
    gallery.enrol([_enrolment("a"), _enrolment("a", 1, picture=None)])
    assert [t.picture for t in gallery.templates("a")] == [True, False]
    assert gallery.picture("a", 1) == PICTURE
    with pytest.raises(PictureNotFoundError, match="keep_pictures"):
        gallery.picture("a", 2)
    for subject, template in (("b", 1), ("a", 3), ("a", -1), ("a", 2**70)):
        with pytest.raises(TemplateNotFoundError):
            gallery.picture(subject, template)
    gallery.enrol([_enrolment("a", 1)])  # the same clip, now with its picture
    assert gallery.picture("a", 2) == PICTURE
    assert not any(PICTURE.png[:64] in row for row in _rows(gallery)), "encrypted"


@on_each_record
def test_a_picture_is_gone_with_its_template_and_person(gallery: Gallery) -> None:
    gallery.enrol([_enrolment("a"), _enrolment("a", 1), _enrolment("b", 2)])
    before = _rows(gallery)
    gallery.remove_template(1)
    with pytest.raises(TemplateNotFoundError):
        gallery.picture("a", 1)
    assert gallery.picture("a", 2) == PICTURE
    assert set(before) & set(_rows(gallery)) == {before[2]}, "the rest has another key"
    gallery.merge("a", into="b")
    assert gallery.picture("b", 2) == PICTURE
    gallery.remove_subject("b")
    assert _rows(gallery) == []


@on_each_record
def test_a_picture_alone_is_erased_and_the_rest_gets_a_new_key(gallery: Gallery) -> None:
    gallery.enrol([_enrolment("a"), _enrolment("a", 1), _enrolment("b", 2)])
    before, revision = _rows(gallery), gallery.revision
    receipt = gallery.remove_picture("a", 1)
    assert (receipt.subject, receipt.templates, receipt.pictures) == ("a", (), (1,))
    assert receipt.revision == gallery.revision > revision
    with pytest.raises(PictureNotFoundError):
        gallery.picture("a", 1)
    assert [t.picture for t in gallery.templates("a")] == [False, True]
    assert gallery.picture("a", 2) == gallery.picture("b", 3) == PICTURE
    assert set(before) & set(_rows(gallery)) == {before[2]}, "no old key opens what stays"
    found = gallery.identify(random_embeddings(1, 0)[0])
    assert (found[0].subject, found[0].template) == ("a", 1), "it is found as before"
    assert gallery.remove_picture("a", 2).key != receipt.key
    for subject, template, error in (
        ("a", 1, PictureNotFoundError),
        ("b", 1, TemplateNotFoundError),
        ("b", 2**70, TemplateNotFoundError),
        ("c", 3, TemplateNotFoundError),
    ):
        with pytest.raises(error):
            gallery.remove_picture(subject, template)
    assert gallery.picture("b", 3) == PICTURE


@on_each_record
def test_a_damaged_picture_can_be_erased(gallery: Gallery) -> None:
    gallery.enrol([_enrolment("a"), _enrolment("a", 1)])
    with transaction(gallery._record.engine) as connection:
        damaged = update(PICTURES).where(PICTURES.c.template == 1)
        connection.execute(damaged.values(sealed=b"damaged"))
    gallery.remove_picture("a", 1)
    assert gallery.picture("a", 2) == PICTURE


@on_each_record
def test_a_picture_is_not_shown_once_expired_and_then_erased(gallery: Gallery, at: Any) -> None:
    gallery.enrol([_enrolment("a", authorisation=BRIEF), _enrolment("b", 1)])
    at(SOON)
    with pytest.raises(TemplateNotFoundError):
        gallery.picture("a", 1)
    gallery.erase_expired(trust_clock=True)
    assert len(_rows(gallery)) == 1


@on_each_record
def test_a_damaged_or_swapped_picture_is_not_shown(gallery: Gallery) -> None:
    gallery.enrol([_enrolment("a"), _enrolment("b", 1)])
    with transaction(gallery._record.engine) as connection:
        swapped = update(PICTURES).where(PICTURES.c.template == 1)
        connection.execute(swapped.values(sealed=_rows(gallery)[1]))
    with pytest.raises(GalleryCorruptError, match="damaged"):
        gallery.picture("a", 1)


def test_a_short_picture_is_of_the_middle_and_comes_back_as_it_was() -> None:
    clip, times = walk(0, 60, Modality.RANGE_VIEW), [n / 10 for n in range(60)]
    picture = MovingPicture.of(clip, times, SHORT)
    assert picture.seconds == tuple(times[10:50])
    assert MovingPicture.unpack(picture.packed) == picture
    sheet = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert (sheet[64:128, -64:, ::-1] == clip.frames[49].transpose(1, 2, 0)).all()
    assert MovingPicture.unpack(MovingPicture.of(clip).packed).seconds is None


@pytest.mark.parametrize("keep", [False, True])
def test_a_command_keeps_pictures_only_if_told(
    keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files" / "p0").mkdir(parents=True)
    np.save(tmp_path / "files" / "p0" / "walk.npy", walk(0, 60, Modality.SILHOUETTE).frames)
    told = ["--keep-pictures"] if keep else []
    places = ["--bundle", str(TINY), "--out", str(tmp_path / "g"), str(tmp_path / "files")]
    monkeypatch.setattr(sys, "argv", ["build", *AUTHORISED, *told, *places])
    with pytest.raises(SystemExit) as exit_:
        run(build.main)
    assert not exit_.value.code
    with open_gallery(tmp_path / "g") as made:
        (template,) = made.templates("p0")
        assert template.picture is keep
        assert not keep or made.picture("p0", template.id).frames == SHORT


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[TestClient, KeyFile]]:
    """A service with keys, and one person with a picture and another without."""
    keys = KeyFile(tmp_path / "keys.json")
    with services.opened(tmp_path) as service, services.client(service, keys) as client:
        for number, sent in enumerate((services.KEPT, services.AUTHORISATION)):
            reply = client.post(
                f"{services.SUBJECTS}/p{number}/templates",
                files=[("clips", ("clip", services.probe(number, Modality.SILHOUETTE)))],
                data=sent,
                headers=_with(keys, Scope.ENROL),
            )
            assert reply.status_code == 201, reply.text
        yield client, keys


def _with(keys: KeyFile, *scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.new(Grant(scopes=scopes)).token}"}


def test_a_picture_over_http_is_scoped_recorded_and_erased(
    stage: tuple[TestClient, KeyFile],
) -> None:
    client, keys = stage
    headers, path = _with(keys, *Scope), f"{services.SUBJECTS}/p0/templates/1/picture"
    reply = client.get(path, headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    shown = reply.json()
    assert (shown["frames"], shown["modality"], shown["seconds"]) == (6, "silhouette", None)
    sheet = cv2.imdecode(np.frombuffer(base64.b64decode(shown["picture"]), np.uint8), 0)
    assert sheet is not None
    assert (sheet[:, :64] == walk(0, 6, Modality.SILHOUETTE, 1).frames[0, 0]).all()
    listed = client.get("/v1/audit", params={"action": "picture"}, headers=headers).json()
    (record,) = listed["records"]
    assert (record["subject"], record["templates"], record["audit_id"]) == (
        *("p0", [1]),
        shown["audit_id"],
    )
    enrolled = client.get("/v1/audit", params={"subject": "p0", "action": "enrol"}, headers=headers)
    assert "pictures kept" in enrolled.json()["records"][-1]["detail"]
    for template in (1, 3):
        other = f"{services.SUBJECTS}/p1/templates/{template}/picture"
        refused = client.get(other, headers=headers).json()
        assert refused["code"] == "gallery.template_not_found"
    refused = client.get(f"{services.SUBJECTS}/p1/templates/2/picture", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "gallery.picture_not_found")
    assert client.delete(f"{services.SUBJECTS}/p0", headers=headers).status_code == 200
    assert client.get(path, headers=headers).status_code == 404


def test_a_picture_alone_is_erased_over_http(stage: tuple[TestClient, KeyFile]) -> None:
    client, keys = stage
    headers, path = _with(keys, *Scope), f"{services.SUBJECTS}/p0/templates/1"
    reply = client.delete(f"{path}/picture", headers=headers)
    assert reply.status_code == 200, reply.text
    told, receipt = reply.json(), reply.json()["receipt"]
    assert (receipt["subject"], receipt["templates"], receipt["pictures"]) == ("p0", [], [1])
    assert client.get(path, headers=headers).json()["template"]["picture"] is False
    listed = client.get("/v1/audit", params={"action": "picture.remove"}, headers=headers).json()
    intended, record = listed["records"]
    assert (intended["outcome"], record["outcome"]) == ("intended", "done")
    assert record["audit_id"] == told["audit_id"]
    assert (record["subject"], record["templates"]) == ("p0", [1])
    assert record["detail"] == f"key {receipt['key']} destroyed"
    for again in (f"{path}/picture", f"{services.SUBJECTS}/p1/templates/2/picture"):
        refused = client.delete(again, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (404, "gallery.picture_not_found")


@pytest.mark.parametrize(
    ("method", "scope"), [("GET", Scope.GALLERY_READ), ("DELETE", Scope.GALLERY_DELETE)]
)
def test_a_key_without_the_scope_sees_and_erases_no_picture(
    stage: tuple[TestClient, KeyFile], method: str, scope: Scope
) -> None:
    client, keys = stage
    path = f"{services.SUBJECTS}/p0/templates/1/picture"
    for other in set(Scope) - {scope, Scope.ADMIN}:
        reply = client.request(method, path, headers=_with(keys, other))
        assert (reply.status_code, reply.json()["code"]) == (403, "access.scope"), other
    assert client.get(path, headers=_with(keys, Scope.GALLERY_READ)).status_code == 200
