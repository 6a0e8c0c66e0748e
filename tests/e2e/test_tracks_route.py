"""`POST /v1/tracks`: everybody in a recording, with quality and decision, and all of it audited."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from fastapi.testclient import TestClient

from capture.camera.ssdlite import Found, Picture
from capture.recording import find_people
from gait.decode.limits import Limits
from gait.errors import LimitExceededError, UnsupportedFormatError
from gait.modality import Modality
from gait.moving_picture import SHORT
from tests import services
from tests.lidar_scenes import Figure, cloud
from tests.real_street import STREET, needs_networks, needs_street
from tests.services import PURPOSE
from tests.street_videos import WIDTH, Walker, write_video

pytestmark = pytest.mark.serving
TWO = (Figure(6.0, -3.0, 0.12), Figure(9.0, 3.0, -0.12))


def recording(figures: tuple[Figure, ...], scans: int = 50, points: int | None = None) -> bytes:
    """A zip of clouds of a scene."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for scan in range(scans):
            one = io.BytesIO()
            np.save(one, cloud(figures, scan)[:points])
            archive.writestr(f"{scan}.npy", one.getvalue())
    return packed.getvalue()


@pytest.fixture(scope="module")
def two() -> bytes:
    """Two people who pass each other."""
    return recording(TWO)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with services.opened(tmp_path_factory.mktemp("tracks")) as service:
        opened = services.client(service)
        services.enrol(opened, 3, Modality.RANGE_VIEW)
        yield opened


def post(client: TestClient, data: bytes, **fields: str) -> Any:
    """The reply to a recording."""
    return client.post("/v1/tracks", files={"recording": data}, data=PURPOSE | fields)


def test_everybody_in_a_recording_gets_a_decision_and_one_record_tells_of_them(
    client: TestClient, two: bytes
) -> None:
    reply = post(client, two, top_k="2", pictures="true")
    assert reply.status_code == 200
    body = reply.json()
    assert len(body["people"]) >= 2
    for person in body["people"]:
        assert person["rejected"] is None
        assert person["clip"]["modality"] == "range_view"
        assert 0 <= person["clip"]["quality"] <= 1
        assert person["begins"] < person["ends"]
        times = person["picture"]["seconds"]
        assert person["begins"] - 1e-3 <= times[0] < times[-1] <= person["ends"] + 1e-3
        assert person["picture"]["frames"] == min(SHORT, person["clip"]["frames_in"])
        assert person["decision"] or person["undecided"]
    (record,) = [
        each
        for each in client.get("/v1/audit").json()["records"]
        if each["request"] == body["request_id"]
    ]
    metrics = client.get("/metrics").text
    for what in ("clips", "recordings"):  # each has its own, which the alerts tell apart
        assert f'gait_decode_waiting{{what="{what}"}} 0.0' in metrics
    assert record["action"] == "identify"
    assert record["outcome"] == "done"
    assert record["detail"] == f"recording of {len(body['people'])} people"
    assert len(record["probes"]) == 1


def test_nobody_is_no_error(client: TestClient) -> None:
    body = post(client, recording((), scans=12)).json()
    assert body["people"] == []


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"junk", 415, "decode.format"),
        (b"PK\x03\x04junk", 422, "decode.corrupt"),
        (recording((), scans=0), 415, "decode.format"),
        (recording((), scans=5, points=0), 422, "decode.corrupt"),
        (b"\x1a\x45\xdf\xa3webm" + b"\0" * 200, 422, "decode.corrupt"),
    ],
)
def test_what_is_no_recording_is_refused(
    client: TestClient, data: bytes, status: int, code: str
) -> None:
    reply = post(client, data)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_limits_hold_for_recordings(two: bytes) -> None:
    with pytest.raises(LimitExceededError):
        find_people(two, limits=Limits(max_frames=20))
    with pytest.raises(LimitExceededError):
        find_people(two, limits=Limits(max_points=100))
    with pytest.raises(LimitExceededError):
        find_people(two, limits=Limits(max_bytes=1000))
    with pytest.raises(UnsupportedFormatError):
        find_people(b"", limits=Limits())


def test_of_people_who_are_not_wanted_only_the_times_come(two: bytes) -> None:
    everybody = find_people(two, limits=Limits())
    assert len(everybody) >= 2
    some = find_people(two, limits=Limits(), most=1)
    assert [(each.begins, each.frames) for each in some] == [
        (each.begins, each.frames) for each in everybody
    ]
    assert [each.decoded is None for each in some] == [False] + [True] * (len(some) - 1)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of somebody who walks, drawn."""
    path = tmp_path_factory.mktemp("video") / "one.mkv"
    return write_video(path, (Walker((30, 40, 220), 20, 4.0),), 30).read_bytes()


def test_a_service_without_networks_says_so_and_names_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video: bytes
) -> None:
    monkeypatch.setenv("DIFFCROSSGAIT_WEIGHTS", str(tmp_path / "none"))
    with services.opened(tmp_path) as service:
        reply = post(services.client(service), video)
    assert (reply.status_code, reply.json()["code"]) == (501, "capture.weights")
    assert "python -m capture.weights" in reply.json()["detail"]
    assert str(tmp_path) not in reply.text


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_frames=20), "max_frames"),
        (Limits(max_pixels=WIDTH * 100), "max_pixels"),
        (Limits(max_bytes=1000), "max_bytes"),
    ],
)
def test_limits_hold_for_videos(
    monkeypatch: pytest.MonkeyPatch, video: bytes, limits: Limits, name: str
) -> None:
    monkeypatch.setattr("capture.recording._networks", lambda: (Nobody(), None))
    assert find_people(video, limits=Limits()) == []
    with pytest.raises(LimitExceededError) as refused:
        find_people(video, limits=limits)
    assert refused.value.fields["limit"] == name


class Nobody:
    """A detector that finds nobody."""

    def find(self, picture: Picture) -> Found:  # noqa: ARG002
        """No boxes."""
        return np.zeros((0, 4)), np.zeros(0)


@pytest.fixture(scope="module")
def street() -> bytes:
    """Four seconds of a real street."""
    packed = io.BytesIO()
    with av.open(str(STREET)) as source, av.open(packed, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for _, frame in zip(range(30), source.decode(video=0), strict=False):
            assert isinstance(frame, av.VideoFrame)
            frame.pts = None
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return packed.getvalue()


@pytest.mark.slow
@needs_networks
@needs_street
def test_people_in_a_real_street_get_quality_and_decision(
    street: bytes, client: TestClient
) -> None:
    reply = post(client, street)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert len(body["people"]) >= 2
    for person in body["people"]:
        assert person["frames"] >= 20
        assert person["clip"]["modality"] == "silhouette"
        assert 0 <= person["clip"]["quality"] <= 1
        assert person["decision"] or person["undecided"]
    (record,) = [
        each
        for each in client.get("/v1/audit").json()["records"]
        if each["request"] == body["request_id"]
    ]
    assert record["detail"] == f"recording of {len(body['people'])} people"


@pytest.mark.slow
@needs_networks
@needs_street
def test_a_video_that_takes_too_long_is_given_up_and_the_next_one_is_read(
    street: bytes, tmp_path: Path
) -> None:
    with services.opened(tmp_path, recording_seconds=2.0) as service:
        client = services.client(service)
        refused = post(client, street)
        assert (refused.status_code, refused.json()["code"]) == (413, "decode.limit")
        assert refused.json()["limit"] == "recording_seconds"
        assert post(client, recording(TWO, scans=12)).status_code == 200
