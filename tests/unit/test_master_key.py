"""The master key: where it comes from, what is refused, and what it wraps."""

import base64
import logging
from pathlib import Path

import pytest

from gait.errors import MasterKeyError
from gallery.record.master_key import MasterKey
from tests.damage import flipped

pytestmark = pytest.mark.serving

KEY, FILE = "DIFFCROSSGAIT_MASTER_KEY", "DIFFCROSSGAIT_MASTER_KEY_FILE"


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is configured; returns where the default file would be."""
    monkeypatch.delenv(KEY)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "diffcrossgait" / "master.key"


def test_the_default_file_is_made_once_for_its_owner(
    nothing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(MasterKeyError, match="there is no master key"):
        MasterKey.load()
    with caplog.at_level(logging.WARNING):
        made = MasterKey.load(create=True)
    assert "back it up" in caplog.text
    assert nothing.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in nothing.parent.iterdir()] == ["master.key"]
    assert MasterKey.load(create=True).id == MasterKey.load().id == made.id


def test_a_named_file_is_never_made(
    nothing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE, str(tmp_path / "lost.key"))
    with pytest.raises(MasterKeyError, match="restore it from your backup"):
        MasterKey.load(create=True)
    assert not nothing.exists()


def test_the_variable_and_a_file_of_the_same_key_are_one(
    nothing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MasterKey(bytes(range(32))).save(tmp_path / "a.key")
    monkeypatch.setenv(FILE, str(tmp_path / "a.key"))
    of_file = MasterKey.load()
    monkeypatch.setenv(KEY, base64.b64encode(bytes(range(32))).decode())
    with pytest.raises(MasterKeyError, match="both set"):
        MasterKey.load()
    monkeypatch.delenv(FILE)
    assert MasterKey.load().id == of_file.id


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(bytes(31)).decode(), "é"])
def test_what_is_no_key_is_said_without_showing_it(nothing: Path, text: str) -> None:
    nothing.parent.mkdir(parents=True)
    nothing.write_text(text, "utf-8")
    with pytest.raises(MasterKeyError, match="master") as caught:
        MasterKey.load()
    assert not text or text not in str(caught.value)


def test_a_key_that_cannot_be_read_or_that_others_may_replace_is_refused(nothing: Path) -> None:
    MasterKey.load(create=True)
    nothing.chmod(0o620)
    with pytest.raises(MasterKeyError, match="others may write"):
        MasterKey.load()
    nothing.unlink()
    nothing.mkdir()
    with pytest.raises(MasterKeyError, match="cannot be read"):
        MasterKey.load()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = MasterKey.generate()
    first.save(tmp_path / "a.key")
    with pytest.raises(MasterKeyError, match="exists already"):
        MasterKey.generate().save(tmp_path / "a.key")
    assert MasterKey.read(tmp_path / "a.key").id == first.id


def test_only_the_same_key_and_place_unwrap() -> None:
    key, data = MasterKey.generate(), bytes(range(32))
    wrapped = key.wrap(data, b"here")
    assert key.unwrap(wrapped, b"here") == data
    assert key.wrap(data, b"here") != wrapped, "a nonce was used twice"
    for other, sent, place in (
        (MasterKey.generate(), wrapped, b"here"),
        (key, wrapped, b"there"),
        (key, flipped(wrapped, -1), b"here"),
        (key, b"", b"here"),
    ):
        with pytest.raises(MasterKeyError, match="does not open this"):
            other.unwrap(sent, place)


def test_purposes_have_keys_of_their_own() -> None:
    key = MasterKey(bytes(32))
    assert len({key.derive(purpose) for purpose in ("audit", "id", "wrap")} | {bytes(32)}) == 4
    assert key.derive("audit") == MasterKey(bytes(32)).derive("audit")
    assert key.derive("audit") != MasterKey(bytes([1, *bytes(31)])).derive("audit")
