"""Files made to be slow, and uploads that stall: honest clients notice neither."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.serving.hostile import beside_hostile, slow_file
from bench.serving.service_process import ANYTHING, ServiceClient, running_service
from gait.modality import Modality
from serve.work.decoding import DecodingPool
from tests import clip_files as files
from tests import services
from tests.galleries import TINY
from tests.services import PURPOSE, probe

pytestmark = pytest.mark.serving
HONEST = probe(0, Modality.SILHOUETTE)


@contextmanager
def _served(folder: Path, **settings: str) -> Iterator[ServiceClient]:
    given = {f"DIFFCROSSGAIT_{name.upper()}": value for name, value in settings.items()}
    given |= ANYTHING | {"DIFFCROSSGAIT_THREADS": "1"}
    with running_service(TINY, folder / "data", folder / "service.log", given) as service:
        service.enrol("p000", HONEST, Modality.SILHOUETTE)
        yield service


def _identify(service: ServiceClient, clip: bytes) -> httpx2.Response:
    sent = {"clip": ("clip", clip)}
    return httpx2.post(f"{service.url}/v1/identify", files=sent, data=PURPOSE, timeout=60)


@pytest.mark.slow
def test_real_bombs_hold_up_no_honest_client(tmp_path: Path) -> None:
    """The bound is wide, since a test machine does other things; `bench.serve` has the real one."""
    with _served(tmp_path) as service:
        result = beside_hostile(service, [HONEST], clients=10, seconds=6)
        assert set(result.beside.statuses) == {200}
        assert set(result.hostile.statuses) <= {413, 503}
        assert result.beside.milliseconds(100) < 2000
        assert result.beside.milliseconds(50) < 5 * result.quiet.milliseconds(50)


@pytest.mark.slow
def test_a_bomb_is_refused_and_stops_no_shutdown(tmp_path: Path) -> None:
    bomb = slow_file()
    with _served(tmp_path, decode_seconds="1", grace_seconds="3") as service:
        refused = _identify(service, bomb)
        assert (refused.status_code, refused.json()["code"]) == (413, "decode.limit")
        assert refused.json()["limit"] == "decode_seconds"
        assert "more than 1 seconds" in refused.json()["detail"]
    with (
        _served(tmp_path, decode_seconds="60", grace_seconds="1") as service,
        ThreadPoolExecutor(4) as clients,
    ):
        reading = [clients.submit(_identify, service, bomb) for _ in range(4)]
        time.sleep(1)
        began = time.monotonic()
        os.kill(service.process, signal.SIGTERM)
        replies = [each.result() for each in reading]
        assert {(r.status_code, r.json()["code"]) for r in replies} == {(503, "service.closing")}
        while _runs(service.process):
            assert time.monotonic() - began < 15
            time.sleep(0.05)


def _runs(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_who_leaves_is_read_for_no_longer(tmp_path: Path) -> None:
    with _served(tmp_path, decode_seconds="60") as service:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(
                f"{service.url}/v1/identify",
                files={"clip": ("clip", slow_file())},
                data=PURPOSE,
                timeout=1,
            )
        _await_metric(service, 'gait_decode_killed_total{reason="client_left"} 1.0')
        _await_metric(service, 'gait_decode_busy{lane="slow",what="clips"} 0.0')


def _await_metric(service: ServiceClient, line: str) -> None:
    end = time.monotonic() + 10
    while line not in httpx2.get(f"{service.url}/metrics").text:
        assert time.monotonic() < end, line
        time.sleep(0.05)


def test_a_slow_reader_of_any_kind_is_refused(tmp_path: Path) -> None:
    settings = {"decode_seconds": 1, "workers": 1}
    with services.opened(tmp_path, **settings) as service:
        service.decoding.close()
        service.decoding = DecodingPool(
            service.settings.decoding, service.metrics, "tests.hostile_reader:read"
        )
        client = services.client(service)
        for data in (b"sleep 60", b"stubborn 60", b"spin 60"):
            refused = services.identify(client, data)
            assert (refused.status_code, refused.json()["code"]) == (413, "decode.limit")
        crashed = services.identify(client, b"crash")
        assert (crashed.status_code, crashed.json()["code"]) == (422, "decode.corrupt")


def test_uploads_go_to_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even large ones: `TMPDIR` cannot be written here."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file")

    with services.opened(tmp_path) as service:
        client = services.client(service)
        services.enrol(client, 1)
        client.get("/healthz")
        monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
        large = files.npy(files.masks(60, 512, 512))
        assert len(large) > 8 << 20
        reply = services.identify(client, large)
        assert reply.status_code == 200, reply.text


def test_stalled_uploads_make_room_for_others(tmp_path: Path) -> None:
    with _served(tmp_path, max_bodies_mib="4", max_body_mib="4") as service, ExitStack() as stack:
        stalled = [stack.enter_context(_stalled(service, 3 << 20)) for _ in range(3)]
        time.sleep(1.5)
        replies = [_identify(service, files.npy(files.masks(60, 160, 160))) for _ in range(3)]
        assert [each.status_code for each in replies] == [200] * 3
        for each in stalled:
            assert b"request.no_room" in each.recv(4096)


def test_uploads_beyond_the_room_are_told_to_come_back(tmp_path: Path) -> None:
    with _served(tmp_path, max_bodies_mib="4", max_body_mib="4") as service:
        with _stalled(service, 3 << 20) as first, _stalled(service, 2 << 20) as second:
            # The second, unless it took so long that the first had to make room for it.
            (refused, *_), _, _ = select.select([second, first], [], [], 20)
            answer = refused.recv(4096)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer.lower()
        assert _identify(service, HONEST).status_code == 200


@contextmanager
def _stalled(service: ServiceClient, sent: int) -> Iterator[socket.socket]:
    head = (
        "POST /v1/identify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="clip"; filename="c"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(head.encode() + bytes(sent))
        yield client
