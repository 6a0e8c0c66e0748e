"""What the service refuses for its quality, in which mode, and what it says and counts."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from gait.modality import Modality
from gallery.decision.fitting import calibrate
from tests import clip_files as files
from tests import services
from tests.services import AUTHORISATION, PURPOSE, add, identify, probe
from tests.walking_people import labelled

pytestmark = pytest.mark.serving

WALK = files.npz(frames=files.walker())
STILL = files.npz(frames=files.walker()[[0] * 20])
SHORT = files.npz(frames=files.walker(frames=5))
DEFAULTS = {"quality_search": "standard", "quality_enrol": "strict"}


def counted(service: Any) -> list[str]:
    lines = generate_latest(service.metrics.registry).decode().splitlines()
    return [line for line in lines if line.startswith("gait_clip_quality_reasons_total")]


def test_a_clip_that_shows_no_walk_is_not_searched(tmp_path: Path) -> None:
    with services.opened(tmp_path, **DEFAULTS) as service, services.client(service) as client:
        assert add(client, "p1", [WALK]).status_code == 201
        reply = identify(client, STILL)
        assert counted(service) == [
            'gait_clip_quality_reasons_total{reason="not_walking",refused="yes"} 1.0'
        ]
    assert reply.status_code == 422
    said = reply.json()
    assert (said["code"], said["quality"], said["mode"]) == ("clip.quality", 0.0, "standard")
    assert said["quality_reasons"] == ["not_walking"]
    assert "the person does not walk; send a walk" in said["detail"]


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/embed"])
def test_nor_compared_nor_embedded(tmp_path: Path, path: str) -> None:
    with services.opened(tmp_path, **DEFAULTS) as service, services.client(service) as client:
        assert add(client, "p1", [WALK]).status_code == 201
        sent = PURPOSE | ({"subject": "p1"} if path == "/v1/verify" else {})
        field = "clip" if path == "/v1/verify" else "clips"
        good = client.post(path, files={field: ("clip", WALK)}, data=sent)
        bad = client.post(path, files={field: ("clip", STILL)}, data=sent)
    assert good.status_code == 200, good.text
    assert bad.status_code == 422
    assert "clip.quality" in bad.text


def test_a_poor_clip_is_searched_with_and_not_enrolled(tmp_path: Path) -> None:
    with services.opened(tmp_path, **DEFAULTS) as service, services.client(service) as client:
        enrolled = add(client, "p1", [WALK, SHORT])
        found = identify(client, SHORT)
    (rejected,) = enrolled.json()["rejected"]
    assert (rejected["position"], rejected["code"]) == (1, "clip.quality")
    assert enrolled.json()["templates"][0]["clip"]["quality"] == 1
    told = found.json()["probe"]
    assert 0.1 < told["quality"] < 0.5
    assert told["quality_reasons"][0] == "too_few_frames"


def test_the_same_clip_under_another_name(tmp_path: Path) -> None:
    with services.opened(tmp_path, **DEFAULTS) as service, services.client(service) as client:
        assert add(client, "p1", [WALK]).json()["duplicates"] == []
        assert add(client, "p1", [WALK]).status_code == 201  # the same person may send it again
        strict = add(client, "p2", [WALK])
    assert strict.status_code == 422
    (rejected,) = strict.json()["rejected"]
    assert rejected["code"] == "clip.duplicate"
    assert "'p1'" in rejected["detail"]


def test_a_person_under_another_name(tmp_path: Path) -> None:
    """A clip that is nearly the same; the calibration is of people who differ far more."""
    other = files.npz(frames=files.walker()[:-1])
    with services.opened(tmp_path, **DEFAULTS) as service, services.client(service) as client:
        assert add(client, "p1", [WALK]).status_code == 201
        calibration = calibrate(
            labelled(40, clips=1), contract=service.encoder.contract, simulated=True, data="none"
        )
        with service.galleries.use("default") as within:
            within.set_calibration(calibration)
        strict = add(client, "p2", [other])
        record = client.get("/v1/audit", params={"action": "enrol"}).json()["records"][-1]
        reply = client.post(
            "/v1/galleries/default/subjects/p2/templates",
            files={"clips": ("clip", other)},
            data=AUTHORISATION | {"new_person": "true"},
        )
    assert strict.status_code == 422
    (rejected,) = strict.json()["rejected"]
    assert rejected["code"] == "gallery.subject_duplicate"
    assert "'p1'" in rejected["detail"]
    assert "merge" in rejected["detail"]
    assert (record["outcome"], record["candidates"]) == ("refused", [])
    assert record["detail"].endswith("the clips match p1"), "whom the caller was told is kept"
    assert reply.status_code == 201
    assert [each["subject"] for each in reply.json()["alike"]] == ["p1"]


def test_standard_enrols_and_reports_it(tmp_path: Path) -> None:
    modes = DEFAULTS | {"quality_enrol": "standard"}
    with services.opened(tmp_path, **modes) as service, services.client(service) as client:
        assert add(client, "p1", [WALK]).status_code == 201
        reply = add(client, "p2", [SHORT, WALK])
    assert reply.status_code == 201
    assert reply.json()["duplicates"] == [{"position": 1, "others": ["p1"]}]


def test_off_refuses_nothing(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service, services.client(service) as client:
        assert add(client, "p1", [STILL]).status_code == 201
        reply = client.post(
            "/v1/galleries/default/subjects/p1/templates",
            files=[("clips", ("clip", probe(1, Modality.SILHOUETTE)))],
            data=AUTHORISATION,
        )
        assert reply.status_code == 201
        assert reply.json()["templates"][0]["clip"]["quality"] == 0
