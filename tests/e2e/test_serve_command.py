"""`python -m serve.run` as a person runs it: start, ready, identify, stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gait.modality import Modality
from gallery.local import LocalGallery
from serve.key_file import KeyFile
from serve.keyring import Grant
from tests.galleries import AUTHORISED, TINY
from tests.services import AUTHORISATION, PURPOSE, probe

pytestmark = pytest.mark.serving


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "serve.run", *map(str, arguments)]


@contextmanager
def _running(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it is ready."""
    port = _free_port()
    command = _command(*arguments, "--port", str(port), "--threads", "1")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _await_ready(process, address)
            yield process, address
        finally:
            process.kill()


def _await_ready(process: subprocess.Popen[str], address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            assert _get(f"{address}/readyz")["status"] == "ready"
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("not ready within a minute")


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as reply:
        return json.load(reply)


def _enrol(address: str, subject: str, clip: bytes) -> None:
    path = f"/v1/galleries/default/subjects/{subject}/templates"
    _post(f"{address}{path}", "clips", clip, AUTHORISATION)


def _post(address: str, field: str, data: bytes, fields: Mapping[str, str]) -> Any:
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="clip"\r\n\r\n'
    )
    body = "".join(parts).encode() + data + b"\r\n--limit--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=limit"}
    request = urllib.request.Request(address, body, kind, method="POST")
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_start_enrol_identify_stop(tmp_path: Path, stop: signal.Signals) -> None:
    folder = tmp_path / "data"
    with _running("--bundle", TINY, "--data", folder) as (process, address):
        for person in range(3):
            clip = probe(person, Modality.RANGE_VIEW, seed=0)
            _enrol(address, f"p{person}", clip)
        found = _post(f"{address}/identify", "clip", probe(2, Modality.RANGE_VIEW), PURPOSE)
        assert found["candidates"][0]["subject"] == "p2"
        process.send_signal(stop)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    with LocalGallery.open(folder / "galleries" / "default") as gallery:
        assert [each.name for each in gallery.subjects()] == ["p0", "p1", "p2"]


def test_a_second_service_on_one_data_folder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with _running("--bundle", TINY, "--data", folder):
        second = subprocess.run(
            _command("--data", folder, "--port", str(_free_port())),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("error [gallery.locked]")


def test_a_served_gallery_can_be_searched_by_command(tmp_path: Path) -> None:
    folder, clip = tmp_path / "data", tmp_path / "clip.npy"
    clip.write_bytes(probe(1, Modality.SILHOUETTE))
    with _running("--bundle", TINY, "--data", folder) as (_, address):
        _enrol(address, "p1", probe(1, Modality.RANGE_VIEW))
        gallery = str(folder / "galleries" / "default")
        command = [sys.executable, "-m", "gallery.identify", "--gallery", gallery, str(clip)]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [each["subject"] for each in json.loads(done.stdout)["candidates"]] == ["p1"]


def test_a_gallery_built_by_command_is_served(tmp_path: Path) -> None:
    data, clips = tmp_path / "data", tmp_path / "clips"
    (clips / "Ada").mkdir(parents=True)
    (clips / "Ada" / "walk.npz").write_bytes(probe(1, Modality.RANGE_VIEW))
    gallery = data / "galleries" / "default"
    command = [sys.executable, "-m", "gallery.build", clips, "--bundle", TINY, "--out", gallery]
    subprocess.run([*map(str, command), *AUTHORISED], check=True, timeout=60, capture_output=True)
    with _running("--data", data) as (_, address):
        found = _post(f"{address}/identify", "clip", probe(1, Modality.SILHOUETTE), PURPOSE)
    assert [each["subject"] for each in found["candidates"]] == ["Ada"]


def test_keys_in_the_data_folder_are_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    issued = KeyFile(data / "keys.json").new(Grant(scopes=()))
    with _running("--bundle", TINY, "--data", data) as (_, address):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _get(f"{address}/v1/models")
        asked = urllib.request.Request(
            f"{address}/v1/models", headers={"Authorization": f"Bearer {issued.token}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as reply:
            assert reply.status == 200


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = _command("--bundle", TINY, "--data", tmp_path / "data")
        command += ["--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error [config.invalid]: cannot listen on 127.0.0.1 port")
    assert "choose another --port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "g", "--host", "0.0.0.0"], "error [config.invalid]: refusing to listen"),
        ([], "error [config.invalid]: data: give --data or set DIFFCROSSGAIT_DATA"),
        (["--data", "nowhere"], "error [gallery.invalid]: there is no gallery in nowhere"),
        (["--data", "g", "--bundle", "nowhere"], "error [bundle.invalid]"),
        (["--data", "g", "--bundle", str(TINY), "--keys", "none.json"], "cannot read the key"),
        (["--data", "g", "--gallery", "../g"], "error [config.invalid]: gallery"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        _command(*arguments), capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "g").exists()
