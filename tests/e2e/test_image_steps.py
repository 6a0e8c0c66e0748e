"""The image's install and start scripts, run in a fresh environment without an engine."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gait.modality import Modality
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from tests.e2e.test_serve_command import FORM, _form
from tests.galleries import TINY
from tests.services import AUTHORISATION, PURPOSE, probe

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def _script(name: str, *arguments: str | Path) -> None:
    command = ["bash", f"scripts/{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _post(address: str, secret: str, field: str, fields: dict[str, str], seed: int) -> str:
    body = _form(field, probe(1, Modality.RANGE_VIEW, seed=seed), fields)
    headers = {**FORM, "Authorization": f"Bearer {secret}"}
    request = urllib.request.Request(address, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as reply:
        text: str = reply.read().decode()
        return text


def _await_ready(address: str, service: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert service.poll() is None
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("not ready within two minutes")


def test_installed_and_started_as_the_image_does(tmp_path: Path) -> None:
    wheels, environment, data = tmp_path / "wheels", tmp_path / "venv", tmp_path / "data"
    _script("build-wheels", wheels)
    _script("install-service", wheels, environment)
    shutil.rmtree(wheels)
    data.mkdir()
    secret = KeyFile(data / "keys.json").new(Grant(scopes=(Scope.ENROL, Scope.IDENTIFY))).token
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"DATA": data, "BUNDLE": TINY, "HOST": "0.0.0.0", "PORT": port}
    settings |= {"QUALITY_ENROL": "off", "QUALITY_SEARCH": "off"}  # its clips show nobody
    variables = {f"DIFFCROSSGAIT_{name}": str(value) for name, value in settings.items()}
    command = ["bash", str(ROOT / "scripts/start-service"), str(environment)]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
    ) as service:
        try:
            _await_ready(address, service)
            check = [environment / "bin/python", ROOT / "scripts/healthy"]
            subprocess.run(check, env={**os.environ, **variables}, check=True, timeout=30)
            people = f"{address}/v1/galleries/default/subjects/p1/templates"
            _post(people, secret, "clips", dict(AUTHORISATION), 0)
            found = _post(f"{address}/identify", secret, "clip", dict(PURPOSE), 1)
            assert '"p1"' in found
            service.send_signal(signal.SIGTERM)
            _, log = service.communicate(timeout=60)
        finally:
            service.kill()
    assert service.returncode == 0, log
    assert "Traceback" not in log
