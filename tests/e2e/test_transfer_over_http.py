"""A gallery leaves one service as a file and enters another; nothing else opens or changes it."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gait.errors import AuditUnavailableError
from gait.modality import Modality
from gallery.export import export_gallery
from gallery.identity import Identity, Party
from serve.audit.use import Use
from serve.work.service import Service
from tests import services
from tests.damage import flipped
from tests.services import enrol, identify, probe

pytestmark = pytest.mark.serving

GALLERY = "/v1/galleries/default"


@dataclass
class Site:
    """A service with an identity."""

    service: Service
    client: TestClient
    public: bytes

    @property
    def folder(self) -> Path:
        return self.service.settings.data


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Two sites; three people are enrolled at the first."""
    with ExitStack() as stack:
        made = []
        for name in ("one", "two"):
            service = stack.enter_context(services.opened(tmp_path / name))
            _, public = Identity.make().save(service.settings.data / "identity")
            client = stack.enter_context(services.client(service))
            made.append(Site(service, client, public.read_bytes()))
        enrol(made[0].client, 3)
        yield made[0], made[1]


def exported(site: Site, to: bytes) -> Any:
    return site.client.post(f"{GALLERY}:export", files={"to": ("to.pub", to)})


def loaded(site: Site, file: bytes, sender: bytes) -> Any:
    files = {"file": ("g", file), "sender": ("s.pub", sender)}
    return site.client.post(f"{GALLERY}:import", files=files)


def code(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def records(site: Site, action: str) -> list[Any]:
    page = site.client.get("/v1/audit", params={"action": action}).json()
    return [(each["outcome"], each.get("detail")) for each in page["records"]]


def test_who_was_enrolled_at_one_is_found_at_the_other(sites: tuple[Site, Site]) -> None:
    one, two = sites
    reply = exported(one, two.public)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "default.gallery" in reply.headers["content-disposition"]
    assert reply.headers["x-audit-id"]
    file = reply.content
    assert int(reply.headers["content-length"]) == len(file)
    answer = loaded(two, file, one.public)
    assert answer.status_code == 200, answer.text
    counted = {k: v for k, v in answer.json().items() if k.startswith("templates")}
    assert counted == {"templates_enrolled": 3, "templates_present": 0, "templates_expired": 0}
    found = identify(two.client, probe(2, Modality.SILHOUETTE)).json()["candidates"]
    assert found[0]["subject"] == "p002"
    again = loaded(two, file, one.public).json()
    assert (again["templates_enrolled"], again["templates_present"]) == (0, 3)
    assert again["gallery_revision"] == answer.json()["gallery_revision"]


def test_both_ends_are_recorded(sites: tuple[Site, Site]) -> None:
    one, two = sites
    loaded(two, exported(one, two.public).content, one.public)
    signer = one.public.split()[1].decode()
    ((outcome, detail),) = records(one, "export")
    assert outcome == "done"
    assert detail.startswith("3 templates for ")
    intended, done = records(two, "import")
    assert (intended[0], done[0]) == ("intended", "done")
    assert done[1].startswith("3 templates signed by ")
    assert signer not in json.dumps(records(two, "import")), "hex, not the file's own text"


def test_without_a_record_no_export_leaves(
    sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: Use) -> str:
        raise AuditUnavailableError("the disk is full")

    monkeypatch.setattr(Use, "done", fails)
    one, two = sites
    assert code(exported(one, two.public)) == (503, "audit.unavailable")


@pytest.mark.parametrize("change", ["cut", "flipped", "longer", "nothing", "noise"])
def test_a_damaged_file_enrols_nobody(sites: tuple[Site, Site], change: str) -> None:
    one, two = sites
    file = exported(one, two.public).content
    damaged = {
        "cut": file[:-10],
        "flipped": flipped(file, len(file) // 2),
        "longer": file + b"x",
        "nothing": b"",
        "noise": bytes(range(256)) * 40,
    }[change]
    assert code(loaded(two, damaged, one.public)) == (422, "gallery.transfer")
    assert two.client.get(GALLERY).json()["subjects"] == 0
    assert [outcome for outcome, _ in records(two, "import")] == ["intended", "refused"]


def test_only_the_named_sender_and_receiver_count(sites: tuple[Site, Site]) -> None:
    one, two = sites
    for_one = exported(one, one.public).content
    assert code(loaded(two, for_one, one.public)) == (422, "gallery.transfer")
    for_two = exported(one, two.public).content
    assert code(loaded(two, for_two, two.public)) == (422, "gallery.transfer")
    assert two.client.get(GALLERY).json()["subjects"] == 0


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"[]",
        b"\xff",
        b"ssh-ed25519 AAAA",
        b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAA==",
        Party((2).to_bytes(32, "little")).text.encode(),  # no point of the curve
        Identity.make().text,
    ],
    ids=range(7),
)
def test_what_is_no_public_identity_is_refused(sites: tuple[Site, Site], public: bytes) -> None:
    one, two = sites
    assert code(exported(one, public)) == (422, "gallery.transfer")
    assert code(loaded(two, b"x", public)) == (422, "gallery.transfer")


def test_a_service_without_an_identity_says_how_to_make_one(sites: tuple[Site, Site]) -> None:
    one, two = sites
    (one.folder / "identity.key").unlink()
    reply = exported(one, two.public)
    assert code(reply) == (422, "gallery.transfer")
    assert "gallery.identity" in reply.json()["detail"]
    assert str(one.folder) not in reply.text


def test_another_model_is_refused(
    sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = sites
    sender = Identity.load(one.folder / "identity.key")
    to = Identity.load(two.folder / "identity.key").party
    file = io.BytesIO()
    with one.service.galleries.use("default") as gallery:
        monkeypatch.setattr(type(gallery), "contract", "another")
        export_gallery(gallery, file, sender=sender, to=to)
        monkeypatch.undo()
    assert code(loaded(two, file.getvalue(), one.public)) == (409, "gallery.contract")


def test_a_gallery_that_is_not_there(sites: tuple[Site, Site]) -> None:
    one, two = sites
    reply = one.client.post("/v1/galleries/nowhere:export", files={"to": ("p", two.public)})
    assert code(reply) == (404, "gallery.not_found")


def test_nothing_stays_behind(sites: tuple[Site, Site]) -> None:
    one, two = sites
    before = sorted(path.name for path in one.folder.iterdir())
    exported(one, two.public)
    assert sorted(path.name for path in one.folder.iterdir()) == before
