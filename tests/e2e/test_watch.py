"""`capture.watch` asks a service process about people in a recording, and tells of each once."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from capture import watch
from capture.live.verdict import Window
from gait.errors import RemoteUnreachableError, SourceLostError
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.galleries import TINY
from tests.lidar_scenes import Figure, cloud
from tests.processes import running

pytestmark = pytest.mark.serving
TWO = (Figure(6.0, -3.0, 0.12), Figure(9.0, 3.0, -0.12))


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    """A folder of clouds in which two people pass."""
    folder = tmp_path / "clouds"
    folder.mkdir()
    for scan in range(50):
        np.save(folder / f"{scan:03d}.npy", cloud(TWO, scan))
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The events on stdout."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_track_is_told_of_once_with_its_audit_record(
    clouds: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    key = tmp_path / "key"
    key.write_text(KeyFile(data / "keys.json").new(Grant(scopes=(Scope.IDENTIFY,))).token)
    options = ["--quality-search", "off"]
    with running("--bundle", TINY, "--data", data, *options) as (_, address):
        words = ["watch", str(clouds), "--service", address, "--purpose", "gate 3"]
        words += ["--key-file", str(key), "--window", "20", "--cooldown", "0"]
        monkeypatch.setattr(sys, "argv", words)
        watch.main()
    events = told(capsys)
    tracks = [event["track"] for event in events]
    assert len(tracks) == len(set(tracks)) >= 2
    for event in events:
        assert event["source"] == "clouds"
        assert event["audit_id"]
        assert event["decision"] in ("no_match", None)  # nobody is enrolled
        assert event["subject"] is None


def test_a_service_that_is_away_stops_nothing(
    clouds: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(clip: bytes) -> Window:
        raise RemoteUnreachableError("no service answers")

    arguments = watch.Arguments(str(clouds), "http://127.0.0.1:9", "gate 3", window=20)
    complaints: list[str] = []
    watch.watch(arguments, ask, lambda _: None, complaints.append)
    assert any("no service answers" in each for each in complaints)


def test_a_stream_that_is_lost_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0

    def once(*_: object) -> None:
        nonlocal opened
        opened += 1
        if opened < 3:
            raise SourceLostError("the camera went away")

    monkeypatch.setattr(watch, "_once", once)
    monkeypatch.setattr(watch, "_FIRST_WAIT", 0.01)
    complaints: list[str] = []
    arguments = watch.Arguments("rtsp://user:secret@camera/1", "http://127.0.0.1:9", "gate 3")
    watch.watch(arguments, lambda _: Window(None, None, 0.0, 0.0, None), print, complaints.append)
    assert (opened, len(complaints)) == (3, 2)
    opened = -5
    given_up = watch.Arguments(arguments.source, arguments.service, "gate 3", attempts=1)
    with pytest.raises(SourceLostError):
        watch.watch(given_up, lambda _: Window(None, None, 0.0, 0.0, None), print, print)


def test_a_password_in_an_address_is_not_told() -> None:
    assert watch._shown("rtsp://user:secret@camera:554/one") == "rtsp://camera/one"
    assert watch._shown("/videos/street.mp4") == "street.mp4"
