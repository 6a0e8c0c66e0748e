"""The key file: private, whole, locked while it changes, and fail closed."""

import json
import logging
import multiprocessing
import os
import re
import stat
from pathlib import Path

import pytest
from filelock import FileLock

from gait.errors import ConfigError, StorageError
from serve.access import key_file as key_files
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope

pytestmark = pytest.mark.serving

GATE = Grant(scopes=(Scope.IDENTIFY,), galleries=("site-7",), note="gate")


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def _id(token: str) -> str:
    return token.partition(".")[0]


def test_it_holds_no_secret_and_is_private(file: KeyFile) -> None:
    token = file.new(GATE).token
    rotated = file.rotate(_id(token)).token
    for each in (token, rotated):
        assert each.partition(".")[2] not in file.path.read_text()
    for path in file.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    (kept,) = json.loads(file.path.read_text())["keys"]
    assert (kept["id"], kept["note"], kept["scopes"]) == (_id(token), "gate", ["identify"])


def test_a_change_makes_a_public_file_private_again(file: KeyFile) -> None:
    token = file.new(GATE).token
    file.path.chmod(0o644)
    assert file.admits(token), "to read it is harmless: it holds hashes"
    file.revoke(_id(token))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(file: KeyFile, mode: int) -> None:
    token = file.new(GATE).token
    file.path.chmod(mode)
    with pytest.raises(ConfigError, match="others may write"):
        file.admits(token)
    file.path.chmod(0o600)
    assert file.admits(token)


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "real" / "keys.json")
    token = KeyFile(link).new(GATE).token
    assert link.is_symlink()
    assert KeyFile(tmp_path / "real" / "keys.json").admits(token)


def test_an_open_file_sees_every_change_at_once(file: KeyFile) -> None:
    other = KeyFile(file.path)
    token = other.new(GATE).token
    for _ in range(20):
        assert file.admits(token)
        new = other.rotate(_id(token), overlap_hours=0).token
        assert file.admits(token) is None
        token = new
    other.revoke(_id(token))
    assert file.admits(token) is None


@pytest.mark.parametrize(
    "text", ["", "{", "\x00\xff", '{"keys": []}', '{"keys": [{"id": 1}]}', '{"more": 1}', None]
)
def test_damage_admits_nobody_until_it_is_repaired(
    file: KeyFile, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="serve")
    token, good = file.new(GATE).token, file.path.read_bytes()
    assert file.admits(token)
    if text is None:
        file.path.unlink()
    else:
        file.path.write_bytes(text.encode("latin-1"))
    for _ in range(3):
        with pytest.raises(ConfigError):
            file.admits(token)
    (line,) = caplog.messages
    assert "no key is accepted until the key file is repaired" in line
    assert str(file.path) in line
    file.path.write_bytes(good)
    file.path.chmod(0o600)
    assert file.admits(token)


def test_the_complaint_names_the_place_and_shows_no_hash(file: KeyFile) -> None:
    file.new(GATE)
    text = file.path.read_text()
    digest = json.loads(text)["keys"][0]["sha256"]
    file.path.write_text(text.replace(digest, digest[:-1] + "!"))
    with pytest.raises(ConfigError, match=r"keys\.0\.sha256") as caught:
        file.load()
    assert digest[:20] not in str(caught.value)


def test_a_missing_file_is_refused_with_the_remedy(file: KeyFile) -> None:
    for use in (file.load, lambda: file.revoke("ffffffff")):
        with pytest.raises(ConfigError, match=r"serve\.keys new"):
            use()
    assert not file.path.exists()


def test_a_damaged_file_is_not_written_over(file: KeyFile) -> None:
    file.path.write_text("{")
    with pytest.raises(ConfigError, match="not a key file"):
        file.new(GATE)
    assert file.path.read_text() == "{"


def test_a_crash_while_writing_leaves_the_file_as_it_was(
    file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = file.new(GATE).token

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            file.revoke(_id(token))
    assert file.admits(token)
    assert {p.name for p in file.path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "deeper" / "keys.json"
    with pytest.raises(StorageError, match=re.escape(f"the key file {path} (No such file")):
        KeyFile(path).new(GATE)
    assert not path.parent.parent.exists()


def test_a_lock_that_is_held_is_said(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "LOCK_SECONDS", 0.1)
    held = FileLock(f"{file.path}.lock", is_singleton=False)
    with held, pytest.raises(StorageError, match="another process has been changing"):
        file.new(GATE)
    assert file.new(GATE)


def test_processes_that_write_at_once_lose_nothing(file: KeyFile) -> None:
    count, each = 4, 8
    context = multiprocessing.get_context("spawn")
    with context.Pool(count) as pool:
        tokens = [t for made in pool.map(_make_keys, [(file.path, each)] * count) for t in made]
    ring = file.load()
    assert len(ring.keys) == len(set(tokens)) == count * each
    for token in tokens:
        assert file.admits(token)


def test_readers_never_see_half_a_file(file: KeyFile) -> None:
    token = file.new(GATE).token
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        writing = pool.map_async(_make_keys, [(file.path, 60)])
        while not writing.ready():
            assert file.admits(token)
        writing.get()


def _make_keys(job: tuple[Path, int]) -> list[str]:
    path, count = job
    return [KeyFile(path).new(GATE).token for _ in range(count)]
