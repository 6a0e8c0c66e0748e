"""What the service sees of a clip, and how similar strangers get."""

import base64
import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from gait.decode import decode_clip, video
from gait.modality import SIZE, Modality
from gait.own_bundle import own_bundle
from gallery.network.session import Device
from serve.settings import load_settings
from serve.work.service import Service
from tests import clip_files as files
from tests import services
from tests.galleries import walk

pytestmark = pytest.mark.serving


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with services.opened(tmp_path) as service:
        yield services.client(service)


def _frames(client: TestClient, clip: bytes, **fields: str) -> Any:
    reply = client.post("/v1/frames", files={"clip": ("clip", clip)}, data=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _cut(reply: Any) -> NDArray[np.uint8]:
    """The frames `(s, 64, 64, channels)` in the picture of a reply, RGB."""
    png = np.frombuffer(base64.b64decode(reply["picture"]), np.uint8)
    sheet = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
    assert sheet is not None
    sheet = sheet.reshape(*sheet.shape[:2], -1)[..., ::-1]
    columns = reply["columns"]
    places = [divmod(at, columns) for at in range(reply["frames"])]
    cut = [sheet[r * SIZE : (r + 1) * SIZE, c * SIZE : (c + 1) * SIZE] for r, c in places]
    return np.array(cut, np.uint8)


@pytest.mark.parametrize("modality", list(Modality))
def test_the_picture_holds_the_frames_that_are_compared(
    client: TestClient, modality: Modality
) -> None:
    clip = walk(3, 47, modality)
    reply = _frames(client, files.npz(frames=clip.frames))
    assert (_cut(reply) == clip.frames.transpose(0, 2, 3, 1)).all()
    assert len(reply["used"]) == reply["clip"]["frames_used"] == 30
    assert reply["seconds"] is None
    assert reply["clip"]["modality"] == modality


def test_a_video_says_when_each_frame_was_taken(client: TestClient) -> None:
    walker = files.walker(20)
    walker[4:6] = 0  # nobody: left out, and the others keep their times
    reply = _frames(client, files.movie(walker))
    kept = [at for at in range(20) if at not in (4, 5)]
    assert reply["seconds"] == pytest.approx([at / 10 for at in kept], abs=1e-3)
    assert reply["frames"] == len(kept)


def test_the_examples_hold() -> None:
    result = doctest.testmod(video)
    assert (result.attempted > 0, result.failed) == (True, 0)


def test_times_of_a_long_video_are_those_of_the_frames_that_are_kept() -> None:
    decoded = decode_clip(files.movie(np.tile(files.walker(40), (10, 1, 1))))
    assert decoded.times is not None
    assert len(decoded.times) == len(decoded.clip) == 300
    assert decoded.times[-1] > 39


def test_a_clip_that_a_search_refuses_is_shown_with_what_is_wrong(tmp_path: Path) -> None:
    with services.opened(tmp_path, quality_search="strict") as service:
        client = services.client(service)
        clip = files.npz(frames=walk(0, 6, Modality.SILHOUETTE).frames)
        assert services.identify(client, clip).json()["code"] == "clip.quality"
        reply = _frames(client, clip)
        assert reply["frames"] == 6
        assert reply["clip"]["quality_reasons"]


def test_looking_is_recorded_and_not_kept(client: TestClient) -> None:
    clip = services.probe(0, Modality.SILHOUETTE)
    reply = client.post("/v1/frames", files={"clip": ("clip", clip)})
    assert reply.headers["Cache-Control"] == "no-store"
    (record,) = client.get("/v1/audit", params={"action": "frames"}).json()["records"]
    assert record["audit_id"] == reply.json()["audit_id"]
    assert len(record["probes"]) == 1
    refused = client.post("/v1/frames", files={"clip": ("clip", b"no clip")})
    assert refused.json()["code"] == "decode.format"


def test_without_a_calibration_nothing_is_said_of_strangers(client: TestClient) -> None:
    services.enrol(client, 2)
    reply = client.get("/v1/galleries/default/strangers", params={"probe": "silhouette"}).json()
    assert (reply["shares"], reply["calibration"], reply["thresholds"]) == ([], None, None)
    assert "no calibration" in reply["undecided"]


def test_strangers_agree_with_the_thresholds_of_a_search(tmp_path: Path) -> None:
    settings = load_settings(
        data=tmp_path / "data",
        bundle=own_bundle(),
        threads=1,
        quality_enrol="off",
        device=Device.CPU,
    )
    service = Service.open(settings)
    try:
        client = services.client(service)
        place = "/v1/galleries/default/strangers"
        empty = client.get(place, params={"probe": "silhouette"}).json()
        assert (empty["shares"], empty["thresholds"]) == ([], None)
        assert "nobody" in empty["undecided"]
        clip = files.npz(frames=files.walker(30))
        assert services.add(client, "p000", [clip]).status_code == 201
        found = services.identify(client, clip).json()
        reply = client.get(place, params={"probe": "silhouette"}).json()
    finally:
        service.close()
    assert reply["thresholds"] == found["thresholds"]
    similar = {each["share"]: each["similarity"] for each in reply["shares"]}
    assert similar[0.01] == found["thresholds"]["match"]["similarity"]
    assert similar[0.1] == found["thresholds"]["possible"]["similarity"]
    assert sorted(similar.values()) == list(similar.values())
    assert reply["calibration"]["simulated"]


def test_a_key_is_told_what_it_may_do(client: TestClient) -> None:
    reply = client.get("/v1/access").json()
    assert (reply["key"], reply["galleries"], reply["gallery"]) == ("local", None, "default")
    assert "identify" in reply["scopes"]
    assert reply["limits"]["quality_search"] == "off"
