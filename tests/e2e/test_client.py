"""The client against a service process that asks for keys."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gait.errors import RemoteError, RemoteUnreachableError
from gait.modality import Modality
from gallery.identity import Identity
from gallery.remote.client import Client
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.galleries import TINY
from tests.processes import free_port, running
from tests.services import probe

pytestmark = pytest.mark.serving

EXPIRES = datetime(2999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Keyed:
    """A service with keys: its address, a key for everything and one without scopes."""

    address: str
    token: str
    powerless: str
    data: Path


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    data = tmp_path_factory.mktemp("client") / "data"
    data.mkdir()
    file = KeyFile(data / "keys.json")
    token, powerless = (file.new(Grant(scopes=s)).token for s in (tuple(Scope), ()))
    with running("--bundle", TINY, "--data", data) as (_, address):
        keyed = Keyed(address, token, powerless, data)
        client = Client(address, token)
        for person in range(3):
            clip = probe(person, Modality.RANGE_VIEW, seed=0)
            _enrol(client, f"p {person} ä+%", [clip])
        yield keyed


def _enrol(client: Client, subject: str, clips: list[bytes]) -> tuple[int, ...]:
    done = client.enrol("default", subject, clips, authorisation="form 17", expires=EXPIRES)
    return tuple(each.template for each in done.templates)


def test_who_was_enrolled_is_found_and_verified(keyed: Keyed) -> None:
    client = Client(keyed.address, keyed.token)
    clip = probe(2, Modality.RANGE_VIEW)
    found = client.identify(clip, "test", gallery="default", top_k=2)
    assert found.candidates[0].subject == "p 2 ä+%"
    assert len(found.candidates) == 2
    assert found.probe.modality is Modality.RANGE_VIEW
    assert found.audit_id
    narrowed = client.identify(clip, "test", subjects=["p 0 ä+%", "p 1 ä+%"])
    assert {each.subject for each in narrowed.candidates} == {"p 0 ä+%", "p 1 ä+%"}
    same = client.verify(clip, "test", subject="p 2 ä+%").similarity
    assert same == pytest.approx(found.candidates[0].similarity, abs=1e-5)
    assert client.verify(clip, "test", other=clip).similarity == pytest.approx(1, abs=1e-5)


def test_people_and_templates_are_listed_and_erased(keyed: Keyed) -> None:
    client = Client(keyed.address, keyed.token)
    clips = [probe(5, Modality.RANGE_VIEW, seed=seed) for seed in (0, 1)]
    ids = _enrol(client, "leaver", clips)
    assert list(client.galleries()) == ["default"]
    assert "leaver" in [each.subject for each in client.subjects("default")]
    templates = list(client.templates("default", "leaver"))
    assert tuple(each.template for each in templates) == ids
    assert datetime.fromisoformat(templates[0].expires) == EXPIRES
    assert client.remove("default", "leaver", ids[0]).templates == ids[:1]
    assert client.remove("default", "leaver").templates == ids[1:]
    with pytest.raises(RemoteError) as refused:
        client.remove("default", "leaver")
    assert (refused.value.problem, refused.value.status) == ("gallery.subject_not_found", 404)
    assert len(refused.value.request_id) == 32


@pytest.mark.parametrize(("key", "problem", "status"), [
    (None, "access.key", 401), ("wrong", "access.key", 401), ("powerless", "access.scope", 403),
])  # fmt: skip
def test_refusals_keep_their_code(keyed: Keyed, key: str | None, problem: str, status: int) -> None:
    client = Client(keyed.address, keyed.powerless if key == "powerless" else key)
    with pytest.raises(RemoteError) as refused:
        client.identify(b"", "test")
    assert (refused.value.problem, refused.value.status) == (problem, status)


def test_a_clip_without_content_is_the_callers_fault(keyed: Keyed) -> None:
    with pytest.raises(RemoteError) as refused:
        Client(keyed.address, keyed.token).identify(b"no clip", "test")
    assert (refused.value.problem, refused.value.status) == ("decode.format", 415)


def test_a_gallery_leaves_and_enters_again(keyed: Keyed, tmp_path: Path) -> None:
    _, public = Identity.make().save(keyed.data / "identity")
    client, file = Client(keyed.address, keyed.token), tmp_path / "people.gallery"
    with file.open("wb") as out:
        client.export("default", public.read_bytes(), out)
    with file.open("rb") as sent:
        loaded = client.load("default", sent, public.read_bytes())
    assert (loaded.templates_enrolled, loaded.templates_present) == (0, 3)
    with file.open("rb") as sent, pytest.raises(RemoteError) as refused:
        client.load("default", sent, Identity.make().party.text.encode())
    assert (refused.value.problem, refused.value.status) == ("gallery.transfer", 422)
    with file.open("wb") as out, pytest.raises(RemoteError) as refused:
        client.export("nowhere", public.read_bytes(), out)
    assert (refused.value.problem, file.stat().st_size) == ("gallery.not_found", 0)


def test_neither_keys_nor_names_of_people_are_logged(
    keyed: Keyed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(keyed.address, keyed.token)
    assert list(client.templates("default", "p 0 ä+%"))
    list(client.galleries())
    assert "/v1/galleries" in caplog.text, "nothing was logged that could have held them"
    for secret in (keyed.token, "p 0 ä+%", "p%200"):
        assert secret not in caplog.text + repr(client.__dict__)


def test_nobody_there_is_said() -> None:
    with pytest.raises(RemoteUnreachableError, match="does not answer"):
        list(Client(f"http://127.0.0.1:{free_port()}").galleries())


def _identify(
    keyed: Keyed, folder: Path, *more: str, clip: Path | None = None
) -> subprocess.CompletedProcess[str]:
    key = folder / "key"
    if clip is None:
        clip = folder / "clip.npz"
        clip.write_bytes(probe(1, Modality.SILHOUETTE))
    key.write_text(keyed.token + "\n", encoding="ascii")
    command = [sys.executable, "-m", "gallery.identify", "--gallery", f"{keyed.address}/default"]
    command += ["--key-file", str(key), str(clip), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_command_asks_a_service(keyed: Keyed, tmp_path: Path) -> None:
    done = _identify(keyed, tmp_path, "--purpose", "test", "--json")
    assert done.returncode == 0, done.stderr
    candidates = json.loads(done.stdout)["candidates"]
    assert {each["subject"] for each in candidates} == {"p 0 ä+%", "p 1 ä+%", "p 2 ä+%"}
    table = _identify(keyed, tmp_path, "--purpose", "test").stdout.splitlines()
    assert table[0].startswith("silhouette clip, 6 of 6 frames, npz, quality 0.")
    assert len(table) >= 5


def test_the_command_asks_a_service_about_each_person_of_a_recording(
    keyed: Keyed, tmp_path: Path
) -> None:
    street, clips = tmp_path / "street", []
    for number, data in enumerate([probe(1, Modality.SILHOUETTE), b"no clip"]):
        (street / f"000{number}").mkdir(parents=True)
        (street / f"000{number}" / "walk.npz").write_bytes(data)
        told = {"person": number, "file": f"000{number}/walk.npz", "begins": 0.0, "ends": 1.0}
        clips.append(told)
    (street / "tracks.json").write_text(json.dumps({"clips": clips}))
    done = _identify(keyed, tmp_path, "--purpose", "test", "--json", clip=street)
    assert done.returncode == 0, done.stderr
    found, broken = json.loads(done.stdout)["people"]
    assert found["subject"] in {"p 0 ä+%", "p 1 ä+%", "p 2 ä+%"}
    assert found["clips"][0]["audit_id"]
    assert (broken["decision"], broken["subject"]) == ("rejected", None)
    assert broken["clips"][0]["rejected"].startswith("decode.")


@pytest.mark.parametrize("end", ["", "/"])
def test_without_a_gallery_the_command_asks_for_the_default_one(
    keyed: Keyed, tmp_path: Path, end: str
) -> None:
    address = f"{keyed.address}{end}"
    done = _identify(keyed, tmp_path, "--purpose", "test", "--gallery", address)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 5


def test_the_command_wants_a_purpose(keyed: Keyed, tmp_path: Path) -> None:
    done = _identify(keyed, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error [config.invalid]: a service wants to know why")
