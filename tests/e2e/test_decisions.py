"""Decisions over HTTP and by the commands: by whose calibration, what is returned and recorded."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import gallery.calibrate
import gallery.identify
from gait.errors import CalibrationError
from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import calibrate
from gallery.opening import create_gallery, open_gallery
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.work.service import Service
from tests import services
from tests.galleries import TINY, enrolments, random_embeddings, walk
from tests.services import enrol, identify, probe
from tests.walking_people import labelled

pytestmark = pytest.mark.serving

SILHOUETTE = Modality.SILHOUETTE


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Of embeddings as widely spread as those of the tiny bundle are not: its match is far off."""
    return calibrate(
        labelled(45, clips=1),
        contract=services.encoder().contract,
        simulated=True,
        data="made up",
    )


def calibrated(service: Service, calibration: Calibration, **changes: Any) -> None:
    with service.galleries.use("default") as within:
        within.set_calibration(calibration.model_copy(update=changes))


def test_the_gallerys_own_calibration_decides(tmp_path: Path, calibration: Calibration) -> None:
    with services.opened(tmp_path, own_calibration=True) as service:
        client = services.client(service)
        enrol(client, 3)
        before = identify(client, probe(1, SILHOUETTE)).json()
        assert before["decision"] is None
        assert "no calibration of" in before["undecided"]
        assert len(before["candidates"]) == 3
        calibrated(service, calibration)
        body = identify(client, probe(1, SILHOUETTE)).json()
        assert (body["decision"], body["undecided"]) == ("match", None)
        assert body["candidates"][0]["subject"] == "p001"
        thresholds = body["thresholds"]
        assert thresholds["gallery_size"] == 3
        assert thresholds["match"]["rate"] == 0.01
        assert thresholds["possible"]["rate"] == 0.1
        assert thresholds["match"]["similarity"] > thresholds["possible"]["similarity"]
        assert thresholds["basis"] == {
            "whose": "gallery",
            "people": 45,
            "simulated": True,
            "templates": 1,
            "sha256": calibration.sha256,
        }
        assert "of 1,000 strangers about 10 would" in thresholds["meaning"]
        assert "45 simulated people" in thresholds["meaning"]
        _check_record(client, body, calibration)


def _check_record(client: TestClient, body: Any, calibration: Calibration) -> None:
    record = client.get("/v1/audit", params={"action": "identify"}).json()["records"][-1]
    assert record["audit_id"] == body["audit_id"]
    assert record["decision"] == "match"
    assert f"N 3, calibration {calibration.sha256[:16]} of the gallery" in record["detail"]


def test_candidates_below_the_review_threshold_are_returned_only_if_asked_for(
    tmp_path: Path, calibration: Calibration
) -> None:
    def strict(pair: Any) -> Any:
        raised = [
            curve.model_copy(update={"thresholds": tuple(9.0 for _ in curve.rates)})
            for curve in pair.curves
        ]
        return pair.model_copy(update={"curves": tuple(raised)})

    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 3)
        calibrated(service, calibration, pairs=tuple(map(strict, calibration.pairs)))
        body = identify(client, probe(1, SILHOUETTE)).json()
        assert (body["decision"], body["candidates"]) == ("no_match", [])
        shown = identify(client, probe(1, SILHOUETTE), {"all_candidates": "true"}).json()
        assert (shown["decision"], len(shown["candidates"])) == ("no_match", 3)


def test_verifying_decides_by_the_false_match_rate(
    tmp_path: Path, calibration: Calibration
) -> None:
    with services.opened(tmp_path, match_fmr=0.01) as service:
        client = services.client(service)
        enrol(client, 2)
        calibrated(service, calibration)
        data = {"purpose": "test", "subject": "p001"}
        reply = client.post("/v1/verify", files={"clip": probe(1, SILHOUETTE)}, data=data).json()
        assert reply["decision"] == "match"
        thresholds = reply["thresholds"]
        assert (thresholds["gallery_size"], thresholds["possible"]) == (1, None)
        assert thresholds["match"]["rate"] == 0.01
        assert "would be called this person" in thresholds["meaning"]


def test_an_enrolment_says_whom_else_a_clip_matches_to_those_who_may_search(
    tmp_path: Path, calibration: Calibration
) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 3)
        nothing = services.add(client, "new", [probe(1, SILHOUETTE, 5)]).json()
        assert nothing["alike"] == [], "nothing can be decided without a calibration"
        calibrated(service, calibration)
        told = services.add(client, "again", [probe(2, SILHOUETTE, 5)]).json()["alike"]
        assert (told[0]["position"], told[0]["subject"]) == (0, "p002")
        assert told[0]["similarity"] == max(each["similarity"] for each in told)
        own = services.add(client, "p000", [probe(0, SILHOUETTE, 6)]).json()["alike"]
        assert "p000" not in {each["subject"] for each in own}, "one's own clips are no news"
        record = client.get("/v1/audit", params={"action": "enrol"}).json()["records"][-1]
        assert [c["subject"] for c in record["candidates"]] == [each["subject"] for each in own]


def test_who_may_only_enrol_is_told_nobody(tmp_path: Path, calibration: Calibration) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 3)
        calibrated(service, calibration)
        keys = KeyFile(tmp_path / "keys.json")
        key = keys.new(Grant(scopes=(Scope.ENROL,)))
        keyed = services.client(service, keys)
        keyed.headers["Authorization"] = f"Bearer {key.token}"
        reply = services.add(keyed, "again", [probe(2, SILHOUETTE, 5)])
        assert (reply.status_code, reply.json()["alike"]) == (201, [])


def test_too_small_a_calibration_is_refused_with_how_many_it_takes(
    tmp_path: Path, calibration: Calibration
) -> None:
    with services.opened(tmp_path, match_fpir=0.0001) as service:
        client = services.client(service)
        enrol(client, 1)
        calibrated(service, calibration)
        body = identify(client, probe(0, SILHOUETTE)).json()
        assert body["decision"] is None
        assert "calibrate on" in body["undecided"]
        assert len(body["candidates"]) == 1


def test_a_calibration_stays_with_the_gallery_and_of_its_model(
    tmp_path: Path, calibration: Calibration
) -> None:
    (other,) = random_embeddings(1, seed=3)
    with create_gallery(tmp_path / "g", TINY) as gallery:
        gallery.enrol(enrolments(["a"]))
        assert gallery.calibration is None
        assert gallery.search(other, SILHOUETTE).decision.verdict is None
        with pytest.raises(CalibrationError, match="of model"):
            gallery.set_calibration(calibration.model_copy(update={"contract": "x"}))
        gallery.set_calibration(calibration)
        assert gallery.search(other, SILHOUETTE).decision.verdict == "no_match"
    with open_gallery(tmp_path / "g") as gallery:
        assert gallery.calibration == (calibration, "gallery")
        gallery.set_calibration(None)
        assert gallery.search(other, SILHOUETTE).decision.verdict is None


def test_the_command_calibrates_on_a_folder_of_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "g"
    with create_gallery(where, TINY):
        pass
    for person in range(40):
        folder = tmp_path / "clips" / f"p{person:02}"
        folder.mkdir(parents=True)
        for seed in range(2):
            (folder / f"{seed}.npz").write_bytes(probe(person, SILHOUETTE, seed))
    run = [str(tmp_path / "clips"), "--gallery", str(where), "--threads", "1", "--simulated"]
    monkeypatch.setattr(sys, "argv", ["gallery.calibrate", *run, "--json"])
    gallery.calibrate.main()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["people"], facts["clips"], facts["simulated"]) == (40, 80, True)
    with open_gallery(where) as opened:
        found = opened.calibration
        assert found is not None
        assert (found[0].sha256, found[1]) == (facts["sha256"], "gallery")
        clip = walk(3, 6, SILHOUETTE, 7)
        (embedding,) = services.encoder().embed([clip])
        opened.enrol(enrolments(["a"]))
        assert opened.search(embedding, SILHOUETTE).decision.verdict is not None
    (tmp_path / "clip.npz").write_bytes(probe(3, SILHOUETTE, 7))
    run = [str(tmp_path / "clip.npz"), "--gallery", str(where), "--threads", "1"]
    run += ["--quality", "off"]
    monkeypatch.setattr(sys, "argv", ["gallery.identify", *run])
    gallery.identify.main()
    assert "this gallery's own calibration on 40 simulated people" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["gallery.calibrate", "--gallery", str(where), "--drop"])
    gallery.calibrate.main()
    assert "no calibration of its own" in capsys.readouterr().out
