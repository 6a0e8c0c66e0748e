"""Keys, host names and origins."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gait.decode import Limits
from gait.errors import ConfigError, StorageError
from serve.keys import Keyring, new, revoke
from serve.settings import Settings, is_loopback, load_settings
from tests import services

pytestmark = pytest.mark.serving


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def key(key_file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    new(key_file, note="gate")
    return capsys.readouterr().out.strip()


def test_the_file_holds_no_secret_and_is_private(key_file: Path, key: str) -> None:
    assert key.partition(".")[2] not in key_file.read_text()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    (kept,) = json.loads(key_file.read_text())["keys"]
    assert (kept["id"], kept["note"]) == (key.partition(".")[0], "gate")


def test_only_the_whole_key_is_admitted(key_file: Path, key: str) -> None:
    ring = Keyring.load(key_file)
    key_id, _, secret = key.partition(".")
    assert ring.admits(key) == key_id
    halves = ["", ".", key_id, secret, f"{key_id}.", f".{secret}"]
    altered = [f"{key}x", key.upper(), f"00000000.{secret}", f"{key_id}.{secret[:-1]}", "é.ü"]
    for wrong in halves + altered:
        assert ring.admits(wrong) is None


def test_keys_add_up_and_can_be_revoked(
    key_file: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new(key_file)
    second = capsys.readouterr().out.strip()
    assert Keyring.load(key_file).admits(key)
    revoke(key_file, key.partition(".")[0])
    assert not Keyring.load(key_file).admits(key)
    assert Keyring.load(key_file).admits(second)
    with pytest.raises(ConfigError, match="has no key"):
        revoke(key_file, "ffffffff")


@pytest.mark.parametrize("text", ["", "{", '{"keys": []}', '{"keys": [{"id": 1}]}', '{"more": 1}'])
def test_a_file_that_holds_no_key_is_refused(key_file: Path, text: str) -> None:
    key_file.write_text(text)
    with pytest.raises(ConfigError):
        Keyring.load(key_file)


def test_a_missing_key_file_is_refused(key_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"serve\.keys new"):
        Keyring.load(key_file)


def test_keys_are_made_by_a_command(key_file: Path) -> None:
    command = [sys.executable, "-m", "serve.keys", "new", str(key_file), "--note", "gate"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Keyring.load(key_file).admits(done.stdout.strip())


def test_with_keys_only_what_tells_nothing_is_open(
    tmp_path: Path, key_file: Path, key: str
) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service, Keyring.load(key_file))
        for path in ("/healthz", "/readyz", "/openapi.json", "/"):
            assert client.get(path).status_code == 200
        for headers in ({}, {"Authorization": f"Bearer {key}x"}, {"Authorization": f"Basic {key}"}):
            for path in ("/v1/subjects", "/metrics", "/v1/subjects/x", "/elsewhere"):
                reply = client.get(path, headers=headers)
                assert (reply.status_code, reply.json()["code"]) == (401, "access.key")
                assert reply.headers["WWW-Authenticate"] == "Bearer"
            assert client.post("/identify", headers=headers).status_code == 401
        right = {"Authorization": f"bearer {key}"}
        assert client.get("/v1/subjects", headers=right).status_code == 200
        assert client.get("/metrics", headers=right).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]"]
)
def test_loopback_names_are_answered(tmp_path: Path, host: str) -> None:
    with services.opened(tmp_path) as service:
        reply = services.client(service).get("/healthz", headers={"Host": host})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""]
)
def test_names_rebound_to_loopback_are_refused(tmp_path: Path, host: str) -> None:
    with services.opened(tmp_path) as service:
        reply = services.client(service).get("/healthz", headers={"Host": host})
    assert (reply.status_code, reply.json()["code"]) == (421, "access.host")


def test_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        for origin in ("https://evil.example", "null", "http://localhost:9999", "http://["):
            reply = client.delete("/v1/subjects/x", headers={"Origin": origin})
            assert (reply.status_code, reply.json()["code"]) == (403, "access.origin")
        own = client.get("/v1/subjects", headers={"Origin": "http://localhost"})
        assert own.status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "gait.example"])
def test_the_network_is_not_listened_to_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="without keys"):
        load_settings(gallery=tmp_path, host=host)
    assert not load_settings(gallery=tmp_path, host=host, keys=tmp_path / "k").on_loopback


def test_loopback_needs_no_keys() -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert is_loopback(host)
        assert load_settings(gallery=Path("g"), host=host).keys is None


def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFCROSSGAIT_GALLERY", "/data/g")
    monkeypatch.setenv("DIFFCROSSGAIT_MAX_FRAMES", "7")
    monkeypatch.setenv("DIFFCROSSGAIT_PORT", "81")
    settings = load_settings(port=82)
    assert (settings.gallery, settings.limits.max_frames, settings.port) == (Path("/data/g"), 7, 82)
    with pytest.raises(ConfigError, match="port"):
        load_settings(port=0)
    with pytest.raises(ConfigError, match="prot"):
        load_settings(prot=1)


def test_a_gallery_must_be_named() -> None:
    with pytest.raises(ConfigError, match="give --gallery or set DIFFCROSSGAIT_GALLERY"):
        load_settings()
    assert "gallery" in Settings.model_fields


def test_the_service_takes_the_clips_that_the_commands_take() -> None:
    assert load_settings(gallery=Path("g")).limits == Limits()


def test_a_key_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "keys.json"
    with pytest.raises(StorageError, match=re.escape(f"the key file {path} (No such file")):
        Keyring().save(path)
