"""`POST /v1/tracks`: everybody in a recording, with quality and decision, and all of it audited."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from capture.recording import find_people
from gait.decode.limits import Limits
from gait.errors import LimitExceededError, UnsupportedFormatError
from gait.modality import Modality
from tests import services
from tests.lidar_scenes import Figure, cloud
from tests.services import PURPOSE

pytestmark = pytest.mark.serving
TWO = (Figure(6.0, -3.0, 0.12), Figure(9.0, 3.0, -0.12))


def recording(figures: tuple[Figure, ...], scans: int = 50) -> bytes:
    """A zip of clouds of a scene."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for scan in range(scans):
            one = io.BytesIO()
            np.save(one, cloud(figures, scan))
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
    reply = post(client, two, top_k="2")
    assert reply.status_code == 200
    body = reply.json()
    assert len(body["people"]) >= 2
    for person in body["people"]:
        assert person["rejected"] is None
        assert person["clip"]["modality"] == "range_view"
        assert 0 <= person["clip"]["quality"] <= 1
        assert person["begins"] < person["ends"]
        assert person["decision"] or person["undecided"]
    (record,) = [
        each
        for each in client.get("/v1/audit").json()["records"]
        if each["request"] == body["request_id"]
    ]
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
        (b"\x1a\x45\xdf\xa3webm" + b"\0" * 200, 415, "decode.format"),
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
