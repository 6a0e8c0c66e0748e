"""A service around the tiny bundle, and clients for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from gait.modality import Modality
from gallery.network.encoder import Encoder
from serve.access.key_file import KeyFile
from serve.app import create_app
from serve.settings import load_settings
from serve.work.service import Service
from tests import clip_files as files
from tests.galleries import TINY, walk


@cache
def encoder() -> Encoder:
    """The tiny bundle's encoder, loaded once."""
    return Encoder.load(TINY, threads=1)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Service]:
    """A service with an empty default gallery, which takes clips that show nobody."""
    settings = {"quality_search": "off", "quality_enrol": "off", "bundle": TINY} | settings
    service = Service.open(load_settings(data=folder / "data", threads=1, **settings))
    try:
        yield service
    finally:
        service.close()


def client(service: Service, keys: KeyFile | None = None, **options: Any) -> TestClient:
    """A client on the same machine as the service."""
    return TestClient(create_app(service, keys), base_url="http://localhost", **options)


def probe(person: int, modality: Modality, seed: int = 1) -> bytes:
    """A clip file of a patterned person."""
    return files.npz(frames=walk(person, 6, modality, seed).frames)


AUTHORISATION = {"authorisation": "consent form 17", "expires": "2999-01-01"}
KEPT = AUTHORISATION | {"keep_pictures": "true"}
PURPOSE = {"purpose": "test"}
SUBJECTS = "/v1/galleries/default/subjects"


def enrol(
    client: TestClient,
    people: int,
    modality: Modality = Modality.SILHOUETTE,
    gallery: str = "default",
    fields: Mapping[str, str] = AUTHORISATION,
) -> None:
    """Enrols `people` persons called `p000`, `p001`, …"""
    for person in range(people):
        reply = add(client, f"p{person:03}", [probe(person, modality, seed=0)], gallery, fields)
        assert reply.status_code == 201, reply.text


def add(
    client: TestClient,
    subject: str,
    clips: Sequence[bytes],
    gallery: str = "default",
    fields: Mapping[str, str] = AUTHORISATION,
) -> Any:
    """The reply to an enrolment."""
    return client.post(
        f"/v1/galleries/{gallery}/subjects/{subject}/templates",
        files=[("clips", ("clip", data)) for data in clips],
        data=fields,
    )


def identify(
    client: TestClient, data: bytes, fields: Mapping[str, str | int] | None = None, path: str = ""
) -> Any:
    """The reply to `POST /identify`."""
    sent = PURPOSE | dict(fields or {})
    return client.post(path or "/identify", files={"clip": ("clip", data)}, data=sent)
