"""With which keys a service starts: never by mistake without."""

import logging
from pathlib import Path

import pytest

from gait.errors import ConfigError
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.opening import note_keys, open_keys
from serve.access.scopes import Scope
from serve.audit.log import FILE
from serve.settings import KEYS, load_settings
from tests import services

pytestmark = pytest.mark.serving
READER = Grant(scopes=(Scope.GALLERY_READ,))


def _start(data: Path, **settings: object) -> KeyFile:
    given = load_settings(data=data, **settings)
    keys = open_keys(given)
    note_keys(keys, given)
    return keys


def test_without_keys_it_says_who_may_do_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not _start(tmp_path).needed
    (line,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "everybody who reaches 127.0.0.1 port 8000 may" in line.getMessage()
    assert f"serve.keys new {tmp_path / KEYS} --scopes admin" in line.getMessage()
    assert list(tmp_path.iterdir()) == []


def test_keys_leave_a_mark_without_which_nothing_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    KeyFile(tmp_path / KEYS).new(READER)
    assert _start(tmp_path).needed
    assert "no access keys" not in caplog.text
    (tmp_path / KEYS).unlink()
    with pytest.raises(ConfigError, match=r"keys\.json is gone.*Restore.*--without-keys"):
        open_keys(load_settings(data=tmp_path))
    assert not _start(tmp_path, without_keys=True).needed
    KeyFile(tmp_path / KEYS).new(READER)
    assert _start(tmp_path).needed


def test_a_first_start_that_was_cut_short_is_no_sign_of_keys(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    assert not open_keys(load_settings(data=tmp_path)).needed


def test_keys_elsewhere_leave_the_mark_too(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", KeyFile(tmp_path / "shared.json")
    elsewhere.new(READER)
    data.mkdir()
    assert _start(data, keys=elsewhere.path).path == elsewhere.path
    with pytest.raises(ConfigError, match="or name another with --keys"):
        open_keys(load_settings(data=data))


def test_audit_records_by_a_key_are_a_mark_that_is_restored(tmp_path: Path) -> None:
    data, keys = tmp_path / "data", KeyFile(tmp_path / "elsewhere.json")
    with services.opened(tmp_path) as service:
        services.enrol(services.client(service), 1)
    assert not _start(data).needed, "what was done without keys is no sign of them"
    token = keys.new(Grant(scopes=(Scope.ENROL,))).token
    with services.opened(tmp_path) as service:
        headers = {"Authorization": f"Bearer {token}"}
        services.enrol(services.client(service, keys, headers=headers), 1)
    with pytest.raises(ConfigError, match=r"audit\.db names keys"):
        open_keys(load_settings(data=data))


def test_a_link_that_leads_nowhere_is_no_start_without_keys(tmp_path: Path) -> None:
    (tmp_path / KEYS).symlink_to("nowhere")
    with pytest.raises(ConfigError, match="cannot read the key file"):
        open_keys(load_settings(data=tmp_path))
