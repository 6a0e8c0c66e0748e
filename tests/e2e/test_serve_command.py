"""`python -m serve.run` as a person runs it: start, ready, identify, stop."""

import http.client
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
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gait.modality import Modality
from gallery.opening import open_gallery
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from tests.galleries import AUTHORISED, TINY
from tests.processes import command, free_port, running
from tests.services import AUTHORISATION, PURPOSE, probe

pytestmark = pytest.mark.serving
FORM = {"Content-Type": "multipart/form-data; boundary=limit"}


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as reply:
        return json.load(reply)


def _enrol(address: str, subject: str, clip: bytes) -> None:
    path = f"/v1/galleries/default/subjects/{subject}/templates"
    _post(f"{address}{path}", "clips", clip, AUTHORISATION)


def _post(address: str, field: str, data: bytes, fields: Mapping[str, str]) -> Any:
    request = urllib.request.Request(address, _form(field, data, fields), FORM, method="POST")
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def _form(field: str, data: bytes, fields: Mapping[str, str]) -> bytes:
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="clip"\r\n\r\n'
    )
    return "".join(parts).encode() + data + b"\r\n--limit--\r\n"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_start_enrol_identify_stop(tmp_path: Path, stop: signal.Signals) -> None:
    folder = tmp_path / "data"
    with running("--bundle", TINY, "--data", folder) as (process, address):
        for person in range(3):
            clip = probe(person, Modality.RANGE_VIEW, seed=0)
            _enrol(address, f"p{person}", clip)
        found = _post(f"{address}/identify", "clip", probe(2, Modality.RANGE_VIEW), PURPOSE)
        assert found["candidates"][0]["subject"] == "p2"
        process.send_signal(stop)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    with open_gallery(folder / "galleries" / "default") as gallery:
        assert [each.name for each in gallery.subjects()] == ["p0", "p1", "p2"]


def test_asked_to_stop_it_answers_what_it_has_begun_and_nothing_new(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running("--bundle", TINY, "--data", folder) as (process, address):
        _enrol(address, "p1", probe(1, Modality.RANGE_VIEW, seed=0))
        body = _form("clip", probe(1, Modality.RANGE_VIEW), PURPOSE)
        with _half_sent(address, body) as begun:
            process.send_signal(signal.SIGTERM)
            refusals = {path: _refusal(f"{address}{path}") for path in ("/readyz", "/v1/models")}
            assert _get(f"{address}/healthz")["status"] == "ok"
            begun.send(body[len(body) // 2 :])
            reply = begun.getresponse()
            assert reply.status == 200
            assert json.load(reply)["candidates"][0]["subject"] == "p1"
        _, log = process.communicate(timeout=10)
    for reason, headers in refusals.values():
        assert reason["code"] == "service.closing"
        assert (headers["Retry-After"], headers["Connection"]) == ("5", "close")
    assert process.returncode == 0, log
    assert "Traceback" not in log
    run = [sys.executable, "-m", "serve.audit", "verify", str(folder)]
    subprocess.run(run, check=True, capture_output=True, timeout=60)


def test_a_request_that_does_not_end_is_cut_off_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFCROSSGAIT_GRACE_SECONDS", "1")
    with running("--bundle", TINY, "--data", tmp_path / "data") as (process, address):
        body = _form("clip", probe(1, Modality.RANGE_VIEW), PURPOSE)
        with _half_sent(address, body) as begun:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=15)
            reply = begun.getresponse()
            assert (reply.status, json.load(reply)["code"]) == (503, "service.closing")
    assert process.returncode == 0, log
    assert "1 requests did not end in time" in log
    assert "Traceback" not in log
    assert _recorded(tmp_path / "data", "identify") == [("failed", "service.closing")]


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    with running("--bundle", TINY, "--data", tmp_path / "data") as (process, address):
        body = _form("clip", probe(1, Modality.RANGE_VIEW), PURPOSE)
        with _half_sent(address, body) as begun:
            process.send_signal(signal.SIGTERM)
            _refusal(f"{address}/readyz")  # it drains, and has ten seconds
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=15)
            assert time.monotonic() - began < 6
            assert begun.getresponse().status == 503
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert _recorded(tmp_path / "data", "identify") == [("failed", "service.closing")]


def test_connections_that_idle_hold_nothing_up(tmp_path: Path) -> None:
    with running("--bundle", TINY, "--data", tmp_path / "data") as (process, address):
        idle = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
        idle.request("GET", "/healthz")
        assert idle.getresponse().read()
        unused = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
        with closing(idle), closing(unused):
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=15)
            assert time.monotonic() - began < 6
            assert idle.sock is not None
            assert idle.sock.recv(1) == b"", "it was not closed"
    assert process.returncode == 0, log


def _recorded(data: Path, action: str) -> list[tuple[str, str]]:
    run = [sys.executable, "-m", "serve.audit", "show", str(data), "--json"]
    shown = subprocess.run(run, check=True, capture_output=True, text=True, timeout=60).stdout
    records = [json.loads(line) for line in shown.splitlines()]
    return [(each["outcome"], each["detail"]) for each in records if each["action"] == action]


@contextmanager
def _half_sent(address: str, body: bytes) -> Iterator[http.client.HTTPConnection]:
    """A connection with a search of which half has been sent, and which the service works on."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/identify")
    connection.putheader("Content-Type", FORM["Content-Type"])
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[: len(body) // 2])
    _get(f"{address}/healthz")  # sent later, so the search has been begun when this is answered
    with closing(connection):
        yield connection


def _refusal(address: str) -> tuple[Any, Any]:
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        _get(address)
    return json.load(refused.value), refused.value.headers


def test_a_second_service_on_one_data_folder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running("--bundle", TINY, "--data", folder):
        second = subprocess.run(
            command("--data", folder, "--port", str(free_port())),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("error [gallery.locked]")


def test_a_served_gallery_can_be_searched_by_command(tmp_path: Path) -> None:
    folder, clip = tmp_path / "data", tmp_path / "clip.npy"
    clip.write_bytes(probe(1, Modality.SILHOUETTE))
    with running("--bundle", TINY, "--data", folder) as (_, address):
        _enrol(address, "p1", probe(1, Modality.RANGE_VIEW))
        gallery = str(folder / "galleries" / "default")
        run = [
            sys.executable,
            "-m",
            "gallery.identify",
            "--gallery",
            gallery,
            str(clip),
            "--quality",
            "off",
        ]
        done = subprocess.run([*run, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [each["subject"] for each in json.loads(done.stdout)["candidates"]] == ["p1"]


def test_a_gallery_built_by_command_is_served(tmp_path: Path) -> None:
    data, clips = tmp_path / "data", tmp_path / "clips"
    (clips / "Ada").mkdir(parents=True)
    (clips / "Ada" / "walk.npz").write_bytes(probe(1, Modality.RANGE_VIEW))
    gallery = data / "galleries" / "default"
    run = [sys.executable, "-m", "gallery.build", clips, "--bundle", TINY, "--out", gallery]
    subprocess.run([*map(str, run), *AUTHORISED], check=True, timeout=60, capture_output=True)
    with running("--data", data) as (_, address):
        found = _post(f"{address}/identify", "clip", probe(1, Modality.SILHOUETTE), PURPOSE)
    assert [each["subject"] for each in found["candidates"]] == ["Ada"]


def test_keys_in_the_data_folder_are_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    issued = KeyFile(data / "keys.json").new(Grant(scopes=()))
    with running("--bundle", TINY, "--data", data) as (_, address):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _get(f"{address}/v1/models")
        asked = urllib.request.Request(
            f"{address}/v1/models", headers={"Authorization": f"Bearer {issued.token}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as reply:
            assert reply.status == 200


def test_keys_that_were_made_while_it_ran_are_asked_for_and_missed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("--bundle", TINY, "--data", data) as (process, address):
        assert _get(f"{address}/v1/models")
        KeyFile(data / "keys.json").new(Grant(scopes=()))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _get(f"{address}/v1/models")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert log.count("no access keys: everybody who reaches") == 1
    (data / "keys.json").unlink()
    start = command("--bundle", TINY, "--data", data, "--port", str(free_port()))
    again = subprocess.run(start, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert again.stderr.startswith("error [config.invalid]: access keys were used here")
    with running("--bundle", TINY, "--data", data, "--without-keys", "True") as (_, address):
        assert _get(f"{address}/v1/models")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        start = command("--bundle", TINY, "--data", tmp_path / "data")
        start += ["--port", str(taken.getsockname()[1])]
        done = subprocess.run(start, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("error [config.invalid]: cannot listen on 127.0.0.1 port")
    assert "choose another --port" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "g", "--host", "0.0.0.0"], "error [config.invalid]: refusing to listen"),
        ([], "error [config.invalid]: data: give --data or set DIFFCROSSGAIT_DATA"),
        (["--data", "g", "--bundle", "nowhere"], "error [bundle.invalid]"),
        (["--data", "g", "--bundle", str(TINY), "--keys", "none.json"], "cannot read the key"),
        (["--data", "g", "--gallery", "../g"], "error [config.invalid]: gallery"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "g").exists()
