"""Clips in, people out: the HTTP interface as a client uses it, on the tiny bundle."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gait.errors import GalleryEmptyError
from gait.modality import Modality
from gait.variant import Variant
from gallery.gallery import Gallery
from serve.middleware.problems import MEDIA_TYPE
from serve.settings import load_settings
from serve.work.service import Service
from tests import clip_files as files
from tests import services
from tests.galleries import VARIANTS, walk
from tests.services import PURPOSE, SUBJECTS, add, enrol, identify, probe

pytestmark = pytest.mark.serving

SILHOUETTE, RANGE_VIEW = Modality


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path, max_frames=50, max_clips=3, max_body_mib=2) as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with services.client(service) as opened:
        yield opened


def test_people_are_found_by_silhouette_and_by_range_view(client: TestClient) -> None:
    for modality in Modality:
        enrol(client, 4, modality)
    for modality in Modality:
        fields: dict[str, str | int] = {
            "top_k": 3,
            "modality": modality,
            "gallery_modality": modality,
        }
        reply = identify(client, probe(2, modality), fields)
        assert reply.status_code == 200
        body = reply.json()
        assert [each["modality"] for each in body["candidates"]] == [modality] * 3
        assert body["candidates"][0]["subject"] == "p002"
        similarities = [each["similarity"] for each in body["candidates"]]
        assert similarities == sorted(similarities, reverse=True)
        assert body["gallery_modality"] == modality


def test_a_long_clip_is_sampled_and_the_reply_says_so(client: TestClient) -> None:
    enrol(client, 2)
    long = files.npz(frames=walk(1, 42, SILHOUETTE, 1).frames)
    body = identify(client, long).json()
    assert (body["probe"]["frames_in"], body["probe"]["frames_used"]) == (42, 30)
    assert body["probe"]["frames_dropped"] == {"not_sampled": 12}
    assert body["candidates"][0]["subject"] == "p001"


@pytest.mark.parametrize("variant", Variant)
def test_the_variant_is_a_setting(tmp_path: Path, variant: Variant) -> None:
    """Enrolled by one variant, found by another after a restart."""
    for index, wanted in enumerate((Variant.FP32, variant)):
        settings = load_settings(
            data=tmp_path, bundle=VARIANTS, threads=1, variant=wanted,
            quality_search="off", quality_enrol="off",
        )  # fmt: skip
        service = Service.open(settings)
        try:
            client = services.client(service)
            (model,) = client.get("/v1/models").json()["models"]
            assert (model["variant"], model["variant_reason"]) == (wanted, "it was asked for")
            assert model["variants"] == ["fp32", "fp16", "int8"]
            if index == 0:
                enrol(client, 3)
            else:
                body = identify(client, probe(2, SILHOUETTE)).json()
                assert body["candidates"][0]["subject"] == "p002"
        finally:
            service.close()


def test_the_reply_says_what_was_done(client: TestClient, service: Service) -> None:
    enrol(client, 2)
    frames = np.concatenate([files.masks(5), np.zeros((2, 120, 100), np.uint8)])
    body = identify(client, files.pictures(frames), path="/v1/identify").json()
    assert body["probe"] == {
        "modality": "silhouette",
        "inferred": True,
        "format": "zip/png",
        "frames_in": 7,
        "frames_used": 5,
        "frames_dropped": {"empty": 2},
        "points_ignored": 0,
        "assumed": {},
        "quality": pytest.approx(0.406),
        "quality_reasons": ["too_few_frames", "nobody"],
    }
    assert (body["decision"], body["thresholds"]) == (None, None)
    assert "there is no calibration of this model" in body["undecided"]
    assert body["gallery_modality"] is None
    assert (body["gallery"], body["gallery_revision"]) == ("default", 2)
    assert body["model"] == {"contract": service.encoder.contract, "simulated": True}
    assert set(body["timings_ms"]) == {"decode", "embed", "search", "audit"}
    assert all(took > 0 for took in body["timings_ms"].values())


def test_the_request_id_is_in_reply_and_header_and_differs(client: TestClient) -> None:
    enrol(client, 1)
    replies = [identify(client, probe(0, SILHOUETTE)) for _ in range(2)]
    ids = [reply.json()["request_id"] for reply in replies]
    assert ids == [reply.headers["X-Request-ID"] for reply in replies]
    assert len(set(ids)) == 2


def test_clouds_are_projected_facing_the_given_axis(client: TestClient) -> None:
    enrol(client, 1)
    data = files.npz(**{f"f{i}": cloud for i, cloud in enumerate(files.clouds(forward=-1.0))})
    assert identify(client, data, {"forward": "-x"}).json()["probe"]["modality"] == "range_view"
    reply = identify(client, data, {"forward": "+x"})
    assert (reply.status_code, reply.json()["code"]) == (422, "clip.invalid")


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (b"%PDF", {}, 415, "decode.format"),
        (b"", {}, 415, "decode.format"),
        (probe(0, SILHOUETTE)[:-30], {}, 422, "decode.corrupt"),
        (files.npz(a=np.array([None])), {}, 422, "decode.forbidden"),
        (files.npy(files.aligned_masks(51)), {}, 413, "decode.limit"),
        (files.npy(np.full((2, 64, 64), np.nan)), {}, 422, "clip.dtype"),
        (files.npy(np.zeros((2, 64, 64), np.uint8)), {}, 422, "clip.empty"),
        (files.npy(np.zeros(3)), {}, 422, "clip.shape"),
        (probe(0, SILHOUETTE), {"modality": "range_view"}, 422, "clip.modality"),
        (probe(0, SILHOUETTE), {"modality": "radar"}, 422, "request.invalid"),
        (probe(0, SILHOUETTE), {"top_k": 0}, 422, "request.invalid"),
        (probe(0, SILHOUETTE), {"top_k": 101}, 422, "request.invalid"),
        (probe(0, SILHOUETTE), {"forward": "up"}, 422, "request.invalid"),
        (bytes(3 << 20), {}, 413, "request.too_large"),
    ],
)
def test_every_refusal_is_a_problem_report(
    client: TestClient, data: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    enrol(client, 1)
    reply = identify(client, data, fields)
    body = reply.json()
    assert (reply.status_code, body["status"], body["code"]) == (status, status, code)
    assert reply.headers["content-type"] == MEDIA_TYPE
    assert body["request_id"] == reply.headers["X-Request-ID"]
    assert body["detail"]
    assert "/gallery" not in body["detail"], "a path of the server"


def test_a_gallery_without_anybody_to_find_answers_no_match(client: TestClient) -> None:
    for fields in ({}, {"gallery_modality": "range_view"}):
        body = identify(client, probe(0, SILHOUETTE), fields).json()
        assert (body["decision"], body["candidates"]) == ("no_match", [])
        assert (body["thresholds"], body["undecided"]) == (None, None)
        enrol(client, 1)


def test_a_request_without_clip(client: TestClient) -> None:
    reply = client.post("/identify", data=PURPOSE)
    assert reply.json()["fields"] == [{"field": "clip", "problem": "Field required"}]
    assert client.get("/v1/nothing").json()["code"] == "request.path"
    assert client.get("/identify").json()["code"] == "request.method"


def test_a_malformed_multipart_body_is_a_bad_request(client: TestClient) -> None:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    reply = client.post("/identify", content=b"--x\r\nnonsense", headers=kind)
    assert reply.status_code in (400, 422)
    assert reply.headers["content-type"] == MEDIA_TYPE


def test_enrolment_takes_what_can_be_used_and_says_why_not_the_rest(client: TestClient) -> None:
    sent = [probe(1, SILHOUETTE), b"junk", probe(1, RANGE_VIEW)]
    reply = add(client, "Ada", sent)
    body = reply.json()
    assert reply.status_code == 201
    assert [each["position"] for each in body["templates"]] == [0, 2]
    assert [(each["position"], each["code"]) for each in body["rejected"]] == [(1, "decode.format")]
    found = identify(client, sent[2]).json()["candidates"]
    assert (found[0]["subject"], found[0]["template"]) == ("Ada", body["templates"][1]["template"])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *[(name, "request.invalid") for name in ("x" * 129, "tab%09here", "no%ffutf8")],
        *[(name, "gallery.invalid") for name in (" padded", "%2e%2e", "%252e%252e", "a%5cb")],
    ],
)
def test_names_that_cannot_be_used(client: TestClient, name: str, problem: str) -> None:
    reply = add(client, name, [probe(0, SILHOUETTE)])
    assert (reply.status_code, reply.json()["code"]) == (422, problem)
    assert client.get(SUBJECTS).json()["subjects"] == []


def test_enrolment_without_a_usable_clip_changes_nothing(client: TestClient) -> None:
    reply = add(client, "Ada", [b"junk"])
    assert (reply.status_code, reply.json()["code"]) == (422, "clips.none_usable")
    assert reply.json()["rejected"][0]["code"] == "decode.format"
    assert client.get(SUBJECTS).json()["subjects"] == []


def test_enrolment_of_too_many_clips_is_refused(client: TestClient) -> None:
    assert add(client, "Ada", [probe(0, SILHOUETTE)] * 4).status_code == 413


def test_subjects_are_shown_and_deleted_at_once(client: TestClient) -> None:
    enrol(client, 2)
    enrol(client, 2, RANGE_VIEW)
    shown = client.get(f"{SUBJECTS}/p001").json()
    assert [each["modality"] for each in shown["templates"]] == ["silhouette", "range_view"]
    receipt = client.delete(f"{SUBJECTS}/p001").json()["receipt"]
    assert (receipt["templates"], receipt["gallery_revision"]) == ([2, 4], 5)
    found = identify(client, probe(1, SILHOUETTE), {"top_k": 100}).json()["candidates"]
    assert [each["subject"] for each in found] == ["p000"]
    for method in ("GET", "DELETE"):
        reply = client.request(method, f"{SUBJECTS}/p001")
        assert (reply.status_code, reply.json()["code"]) == (404, "gallery.subject_not_found")


def test_pages_of_subjects_hold_everyone_once_in_order(client: TestClient) -> None:
    enrol(client, 7)
    names, cursor = [], None
    for _ in range(4):
        page = client.get(SUBJECTS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        names += [each["subject"] for each in page.json()["subjects"]]
        cursor = page.json()["next_cursor"]
    assert names == [f"p{person:03}" for person in range(7)]
    assert cursor is None
    assert client.get(SUBJECTS, params={"cursor": "é!"}).json()["code"] == "request.malformed"
    assert client.get(SUBJECTS, params={"limit": 0}).json()["code"] == "request.invalid"


def test_many_requests_at_once_give_what_one_gives(client: TestClient) -> None:
    enrol(client, 5)
    probes = [probe(person % 5, SILHOUETTE, seed=person) for person in range(20)]
    alone = [identify(client, data).json()["candidates"] for data in probes]
    with ThreadPoolExecutor(8) as pool:
        together = [r.json()["candidates"] for r in pool.map(lambda d: identify(client, d), probes)]
    for one, other in zip(alone, together, strict=True):
        assert [each["subject"] for each in one] == [each["subject"] for each in other]


def test_health_readiness_metrics_and_page(client: TestClient, service: Service) -> None:
    enrol(client, 2)
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["galleries"]) == (
        "ready",
        [
            {
                "gallery": "default",
                "gallery_revision": 2,
                "ready": True,
                "behind": 0,
                "damaged": 0,
            }
        ],
    )
    identify(client, probe(0, SILHOUETTE))
    text = client.get("/metrics").text
    assert 'gait_gallery_subjects{gallery="default"} 2.0' in text
    assert 'gait_gallery_templates{gallery="default",modality="silhouette"} 2.0' in text
    assert 'gait_requests_total{method="POST",route="/identify",status="200"} 1.0' in text
    assert 'gait_stage_seconds_count{stage="search"} 3.0' in text
    page = client.get("/")
    assert "page/main.js" in page.text
    assert "v1/identify" in client.get("/page/search.js").text


def test_not_ready_while_the_index_of_the_default_gallery_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        monkeypatch.setattr(Gallery, "ready", False)
        reply = client.get("/readyz")
        assert (reply.status_code, reply.json()["code"]) == (503, "service.not_ready")


def test_names_never_reach_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="serve")
    add(client, "Ada Lovelace", [probe(0, SILHOUETTE)])
    client.get(f"{SUBJECTS}/Ada Lovelace")
    client.delete(f"{SUBJECTS}/Ada Lovelace")
    client.get(f"{SUBJECTS}/Nobody Else")
    messages = [record.getMessage() for record in caplog.records if record.name == "serve"]
    assert len(messages) == 4
    assert not any("Ada" in message or "Nobody" in message for message in messages)


def test_a_stream_without_length_is_stopped_at_the_limit(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="clip"; filename="c"\r\n\r\n'
        while sent < 64 << 20:
            sent += 1 << 16
            yield bytes(1 << 16)

    kind = {"content-type": "multipart/form-data; boundary=x"}
    reply = client.post("/identify", content=endless(), headers=kind)
    assert (reply.status_code, reply.json()["code"]) == (413, "request.too_large")


def test_waiting_requests_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow(*_: object, **__: object) -> None:
        entered.release()
        assert leave.wait(20)
        raise GalleryEmptyError("slow")

    data = probe(0, SILHOUETTE)
    with (
        services.opened(tmp_path, workers=1, max_waiting=0) as service,
        services.client(service) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        monkeypatch.setattr(Gallery, "search", slow)
        first = pool.submit(identify, client, data)
        assert entered.acquire(timeout=20)
        refused = identify(client, data)
        assert client.get("/healthz").status_code == 200, "the event loop is free meanwhile"
        leave.set()
        assert first.result().json()["code"] == "gallery.empty"
    assert (refused.status_code, refused.json()["code"]) == (429, "service.busy")
    assert refused.headers["Retry-After"] == "1"


def test_a_file_object_can_be_sent_as_it_is(client: TestClient) -> None:
    enrol(client, 1)
    file = io.BytesIO(probe(0, SILHOUETTE))
    assert client.post("/identify", files={"clip": file}, data=PURPOSE).status_code == 200
