"""`capture.watch` asks a service process about people in a recording, and tells of each once."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import requests

from capture import watch
from gait.errors import ConfigError, RemoteUnreachableError, SourceLostError
from gait.verdict import Window
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.galleries import TINY
from tests.lidar_scenes import Figure, cloud
from tests.processes import running
from tests.street_videos import ColourDetector, ColourMasks, Walker, write_video

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
    key, keys = tmp_path / "key", KeyFile(data / "keys.json")
    key.write_text(keys.new(Grant(scopes=(Scope.IDENTIFY,))).token)
    onlooker = {"Authorization": f"Bearer {keys.new(Grant(scopes=(Scope.LIVE_READ,))).token}"}
    options = ["--quality-search", "off"]
    with running("--bundle", TINY, "--data", data, *options) as (_, address):
        words = ["watch", str(clouds), "--service", address, "--purpose", "gate 3"]
        words += ["--key-file", str(key), "--window", "20", "--cooldown", "0"]
        monkeypatch.setattr(sys, "argv", [*words, "--name", "gate 3, LiDAR"])
        watch.main()
        page = requests.get(f"{address}/v1/live", headers=onlooker, timeout=60).json()["people"]
        monkeypatch.setattr(sys, "argv", [*words, "--no-live"])
        events = told(capsys)
        watch.main()
        again = requests.get(f"{address}/v1/live", headers=onlooker, timeout=60).json()["people"]
    shown = [(each["source"], each["track"], each["decision"], each["audit_id"]) for each in page]
    assert shown == [(e["source"], e["track"], e["decision"], e["audit_id"]) for e in events]
    assert again == page
    tracks = [event["track"] for event in events]
    assert len(tracks) == len(set(tracks)) >= 2
    for event in events:
        assert event["source"] == "gate 3, LiDAR"
        assert event["audit_id"]
        assert event["decision"] in ("no_match", None)  # nobody is enrolled
        assert event["subject"] is None


@pytest.mark.parametrize("option", ["--key-file", "--webhook-secret"])
def test_a_file_that_is_missing_is_named_with_its_option(
    clouds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    asked = [str(clouds), "--service", "http://127.0.0.1:9", "--purpose", "gate 3"]
    asked += ["--webhook", "http://127.0.0.1:9", option, str(tmp_path / "none")]
    monkeypatch.setattr(sys, "argv", ["capture.watch", *asked])
    with pytest.raises(ConfigError, match=rf"{option}: cannot read .*none \(No such file"):
        watch.main()


def test_a_service_that_is_away_stops_nothing(
    clouds: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(clip: bytes) -> Window:
        raise RemoteUnreachableError("no service answers")

    arguments = watch.Arguments(str(clouds), "http://127.0.0.1:9", "gate 3", window=20)
    complaints: list[str] = []
    watch.watch(arguments, ask, lambda _: None, complaints.append)
    assert any("no service answers" in each for each in complaints)


class Stream(BaseHTTPRequestHandler):
    """A camera whose stream breaks off, is away, comes back, and is away for good."""

    parts: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        part = self.parts.pop(0) if self.parts else b""
        self.send_response(200 if part else 503)
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize(("cooldown", "told"), [(0.0, [0, 1]), (60.0, [0])])
def test_a_stream_that_stops_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cooldown: float, told: list[int]
) -> None:
    walkers = (Walker((30, 40, 220), 20, 4.0),)
    whole = write_video(tmp_path / "one.mkv", walkers, 60).read_bytes()
    cut = whole[: len(whole) * 3 // 4]
    # Each time that it is opened it is looked at once to see what it is.
    monkeypatch.setattr(Stream, "parts", [whole, cut, b"", whole, whole])
    monkeypatch.setattr(watch, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(
        watch, "networks", lambda *_: (ColourDetector(walkers), ColourMasks(walkers))
    )
    monkeypatch.setattr("capture.camera.capture.newest", lambda frames, _: frames)
    server = HTTPServer(("127.0.0.1", 0), Stream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    events: list[dict[str, object]] = []
    complaints: list[str] = []
    try:
        arguments = watch.Arguments(
            f"http://127.0.0.1:{server.server_port}/one", "http://127.0.0.1:9", "gate 3",
            window=20, cooldown=cooldown, attempts=3, threads=1,
        )  # fmt: skip
        with pytest.raises(SourceLostError, match="does not answer"):
            watch.watch(
                arguments,
                lambda _: Window("match", "anna", 0.8, 0.9, "a1"),
                events.append,
                complaints.append,
            )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [event["track"] for event in events] == told
    said = ["was lost: Input/output error", "does not answer: Server returned 5XX", "was lost"]
    assert all(part in each for part, each in zip(said, complaints, strict=True)), complaints
