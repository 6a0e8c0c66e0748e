"""Verification, embeddings, models and purposes over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gait.clip import Clip
from gait.modality import Modality
from serve.work.service import Service
from tests import services
from tests.galleries import DIMENSION, walk
from tests.services import PURPOSE, encoder, enrol, identify, probe

pytestmark = pytest.mark.serving

SILHOUETTE, RANGE_VIEW = Modality


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with services.opened(tmp_path, max_clips=3) as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with services.client(service) as opened:
        yield opened


def verify(client: TestClient, files: dict[str, bytes], **fields: str) -> Any:
    return client.post("/v1/verify", files=files, data=PURPOSE | fields)


def similarity(one: Clip, other: Clip) -> float:
    """Mean over parts of the cosine, from the encoder itself."""
    a, b = encoder().embed([one, other]).astype(np.float64)
    return float(a @ b)


def test_two_clips_are_as_similar_as_their_embeddings(client: TestClient) -> None:
    for modality in Modality:
        files = {"clip": probe(1, SILHOUETTE), "other": probe(2, modality)}
        body = verify(client, files).json()
        want = similarity(walk(1, 6, SILHOUETTE, 1), walk(2, 6, modality, 1))
        assert body["similarity"] == pytest.approx(want, abs=1e-5)
        assert (body["probe"]["modality"], body["other"]["modality"]) == ("silhouette", modality)
        assert (body["decision"], body["thresholds"], body["enrolled"]) == (None, None, None)


def test_a_clip_is_compared_with_the_best_template_of_the_person(client: TestClient) -> None:
    enrol(client, 3)
    enrol(client, 3, RANGE_VIEW)
    body = verify(client, {"clip": probe(1, SILHOUETTE)}, subject="p001").json()
    found = identify(client, probe(1, SILHOUETTE), {"top_k": 3}).json()["candidates"]
    best = next(each for each in found if each["subject"] == "p001")
    assert body["similarity"] == pytest.approx(best["similarity"], abs=1e-6)
    assert body["enrolled"]["template"] == best["template"]
    assert body["enrolled"]["gallery_revision"] == 6
    other = verify(
        client, {"clip": probe(1, SILHOUETTE)}, subject="p001", gallery_modality="range_view"
    ).json()
    assert other["enrolled"]["modality"] == "range_view"


@pytest.mark.parametrize(
    ("files", "fields", "status", "code"),
    [
        ({}, {"subject": "p000"}, 422, "request.invalid"),
        ({"clip": b"junk"}, {"subject": "p000"}, 415, "decode.format"),
        ({"clip": probe(0, SILHOUETTE)}, {}, 422, "request.invalid"),
        (
            {"clip": probe(0, SILHOUETTE), "other": probe(0, SILHOUETTE)},
            {"subject": "p000"},
            422,
            "request.invalid",
        ),
        ({"clip": probe(0, SILHOUETTE), "other": b"junk"}, {}, 415, "decode.format"),
        ({"clip": probe(0, SILHOUETTE)}, {"subject": "no"}, 404, "gallery.subject_not_found"),
        (
            {"clip": probe(0, SILHOUETTE)},
            {"subject": "p000", "gallery": "no"},
            404,
            "gallery.not_found",
        ),
        (
            {"clip": probe(0, SILHOUETTE)},
            {"subject": "p000", "gallery_modality": "range_view"},
            409,
            "gallery.empty",
        ),
        (
            {"clip": probe(0, SILHOUETTE), "other": probe(0, SILHOUETTE)},
            {"other_modality": "range_view"},
            422,
            "clip.modality",
        ),
    ],
)
def test_every_refusal_says_what_is_wrong(
    client: TestClient, files: dict[str, bytes], fields: dict[str, str], status: int, code: str
) -> None:
    enrol(client, 1)
    reply = verify(client, files, **fields)
    assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text


def test_embeddings_are_the_encoders(client: TestClient, service: Service) -> None:
    sent = [probe(1, SILHOUETTE), b"junk", probe(2, RANGE_VIEW)]
    reply = client.post("/v1/embed", files=[("clips", data) for data in sent], data=PURPOSE)
    body = reply.json()
    assert [each["position"] for each in body["embeddings"]] == [0, 2]
    assert [(each["position"], each["code"]) for each in body["rejected"]] == [(1, "decode.format")]
    want = encoder().embed([walk(1, 6, SILHOUETTE, 1), walk(2, 6, RANGE_VIEW, 1)])
    got = np.array([each["embedding"] for each in body["embeddings"]])
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert body["dimension"] == got.shape[1] == DIMENSION
    assert client.get("/v1/galleries/default").json()["subjects"] == 0, "nothing is stored"


def test_embeddings_of_nothing_or_too_much_are_refused(client: TestClient) -> None:
    reply = client.post("/v1/embed", files={"clips": b"junk"}, data=PURPOSE)
    assert (reply.status_code, reply.json()["code"]) == (422, "clips.none_usable")
    sent = [("clips", probe(0, SILHOUETTE))] * 4
    assert client.post("/v1/embed", files=sent, data=PURPOSE).status_code == 413


def test_the_model_is_described(client: TestClient, service: Service) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert model["contract"] == service.encoder.contract
    choice = service.encoder.choice
    assert (model["variant"], model["variant_reason"]) == (choice.variant, choice.reason)
    assert (model["variants"], model["frames"]) == (["fp32"], 30)
    assert (model["dimension"], model["calibrated"]) == (DIMENSION, False)
    assert model["modalities"] == ["silhouette", "range_view"]


@pytest.mark.parametrize("purpose", [None, "", " ", "x" * 201, "a\nb", "tab\there"])
@pytest.mark.parametrize("path", ["/identify", "/v1/identify", "/v1/verify", "/v1/embed"])
def test_nothing_is_searched_without_a_purpose(
    client: TestClient, path: str, purpose: str | None
) -> None:
    enrol(client, 1)
    files = {"clips" if path == "/v1/embed" else "clip": probe(0, SILHOUETTE)}
    fields = {"subject": "p000"} if path == "/v1/verify" else {}
    fields |= {} if purpose is None else {"purpose": purpose}
    reply = client.post(path, files=files, data=fields)
    assert (reply.status_code, reply.json()["code"]) == (422, "request.invalid")
    assert [each["field"] for each in reply.json()["fields"]] == ["purpose"]


def test_purposes_can_be_kept_to_a_list(tmp_path: Path) -> None:
    with services.opened(tmp_path / "b", purposes=("lost child", "test")) as service:
        client = services.client(service)
        enrol(client, 1)
        assert identify(client, probe(0, SILHOUETTE)).status_code == 200
        reply = identify(client, probe(0, SILHOUETTE), {"purpose": "curiosity"})
        assert "lost child, test" in reply.json()["fields"][0]["problem"]
