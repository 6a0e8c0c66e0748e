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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gait.modality import Modality
from gallery.local import LocalGallery
from tests.galleries import TINY
from tests.services import probe

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


def _post(address: str, field: str, data: bytes) -> Any:
    body = (
        f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="clip"\r\n\r\n'
    ).encode() + data + b"\r\n--limit--\r\n"  # fmt: skip
    kind = {"Content-Type": "multipart/form-data; boundary=limit"}
    request = urllib.request.Request(address, body, kind, method="POST")
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_start_enrol_identify_stop(tmp_path: Path, stop: signal.Signals) -> None:
    folder = tmp_path / "gallery"
    with _running("--bundle", TINY, "--gallery", folder) as (process, address):
        for person in range(3):
            clip = probe(person, Modality.RANGE_VIEW, seed=0)
            _post(f"{address}/v1/subjects/p{person}/templates", "clips", clip)
        found = _post(f"{address}/identify", "clip", probe(2, Modality.RANGE_VIEW))
        assert found["candidates"][0]["subject"] == "p2"
        process.send_signal(stop)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    with LocalGallery.open(folder) as gallery:
        assert [each.name for each in gallery.subjects()] == ["p0", "p1", "p2"]


def test_a_second_service_on_one_gallery_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    with _running("--bundle", TINY, "--gallery", folder):
        second = subprocess.run(
            _command("--gallery", folder, "--port", str(_free_port())),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("error [gallery.locked]")


def test_a_served_gallery_can_be_searched_by_command(tmp_path: Path) -> None:
    folder, clip = tmp_path / "gallery", tmp_path / "clip.npy"
    clip.write_bytes(probe(1, Modality.SILHOUETTE))
    with _running("--bundle", TINY, "--gallery", folder) as (_, address):
        _post(f"{address}/v1/subjects/p1/templates", "clips", probe(1, Modality.RANGE_VIEW))
        command = [sys.executable, "-m", "gallery.identify", "--gallery", str(folder), str(clip)]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [each["subject"] for each in json.loads(done.stdout)["candidates"]] == ["p1"]


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = _command("--bundle", TINY, "--gallery", tmp_path / "gallery")
        command += ["--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error [config.invalid]: cannot listen on 127.0.0.1 port")
    assert "choose another --port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--gallery", "g", "--host", "0.0.0.0"], "error [config.invalid]: refusing to listen"),
        ([], "error [config.invalid]: gallery"),
        (["--gallery", "nowhere"], "error [gallery.invalid]: there is no gallery at nowhere"),
        (["--gallery", "g", "--bundle", "nowhere"], "error [bundle.invalid]"),
        (["--gallery", "g", "--bundle", str(TINY), "--keys", "none.json"], "cannot read the key"),
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
