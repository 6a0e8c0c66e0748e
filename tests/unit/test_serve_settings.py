"""Settings of the service."""

from pathlib import Path

import pytest

from gait.decode import Limits
from gait.errors import ConfigError
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import is_loopback
from serve.settings import KEYS, Settings, load_settings

pytestmark = pytest.mark.serving


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "gait.example"])
def test_the_network_is_not_listened_to_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="without keys"):
        load_settings(data=tmp_path, host=host)
    assert not load_settings(data=tmp_path, host=host, keys=tmp_path / "k").on_loopback


def test_loopback_needs_no_keys() -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert is_loopback(host)
        assert load_settings(data=Path("d"), host=host).keys is None


def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFCROSSGAIT_DATA", "/data/d")
    monkeypatch.setenv("DIFFCROSSGAIT_MAX_FRAMES", "7")
    monkeypatch.setenv("DIFFCROSSGAIT_PORT", "81")
    settings = load_settings(port=82)
    assert (settings.data, settings.limits.max_frames, settings.port) == (Path("/data/d"), 7, 82)
    with pytest.raises(ConfigError, match="port"):
        load_settings(port=0)
    with pytest.raises(ConfigError, match="prot"):
        load_settings(prot=1)


def test_a_data_folder_must_be_named() -> None:
    with pytest.raises(ConfigError, match="give --data or set DIFFCROSSGAIT_DATA"):
        load_settings()
    assert "data" in Settings.model_fields


def test_the_service_takes_the_clips_that_the_commands_take() -> None:
    assert load_settings(data=Path("d")).limits == Limits()


def test_a_key_file_in_the_data_folder_is_used(tmp_path: Path) -> None:
    assert load_settings(data=tmp_path).key_file is None
    KeyFile(tmp_path / KEYS).new(Grant(scopes=()))
    assert load_settings(data=tmp_path, host="0.0.0.0").key_file == tmp_path / KEYS
    assert load_settings(data=tmp_path, keys=tmp_path / "k").key_file == tmp_path / "k"


def test_a_key_file_that_leads_nowhere_is_one(tmp_path: Path) -> None:
    (tmp_path / KEYS).symlink_to("nowhere")
    assert load_settings(data=tmp_path).key_file == tmp_path / KEYS


def test_no_keys_and_a_key_file_are_not_asked_for_together(tmp_path: Path) -> None:
    assert load_settings(data=tmp_path, without_keys=True).key_file is None
    with pytest.raises(ConfigError, match=r"without_keys is set, and there is a key file, .*/k:"):
        load_settings(data=tmp_path, keys=tmp_path / "k", without_keys=True)
    with pytest.raises(ConfigError, match="without keys"):
        load_settings(data=tmp_path, host="0.0.0.0", without_keys=True)


@pytest.mark.parametrize("name", ["rate_per_key", "rate_per_gallery", "rate_per_address"])
def test_a_rate_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_settings(data=tmp_path, **{name: "many"})
