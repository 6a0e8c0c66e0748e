"""What goes wrong around a service: it says so, goes on, and loses nothing it acknowledged."""

import json
import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx2
import psycopg
import pytest
from sqlalchemy import update

from bench.serving.service_process import ANYTHING, ServiceClient, ServiceError, running_service
from gait.modality import Modality
from gallery.record import clock
from gallery.record.engine import open_engine, transaction
from gallery.record.location import parse_location
from gallery.record.schema import EMBEDDINGS, SUBJECT_KEYS, TEMPLATES
from gallery.record.schema import SUBJECTS as PEOPLE
from serve.work.erasure_rounds import ErasureRounds
from tests import servers, services
from tests.galleries import TINY
from tests.services import AUTHORISATION, PURPOSE, SUBJECTS, probe

pytestmark = [pytest.mark.serving, pytest.mark.slow]
KILLS = 20
CONNECTIONS = 1000
LATER = 40_000_000_000
"""Seconds since 1970, after the year 3000."""


@pytest.fixture(params=["folder", "postgres"])
def galleries(request: pytest.FixtureRequest) -> str:
    """Where a service keeps its galleries: empty for its data folder, or in PostgreSQL."""
    return "" if request.param == "folder" else request.getfixturevalue("postgres_url")


@contextmanager
def _served(folder: Path, bundle: Path = TINY, **settings: str) -> Iterator[ServiceClient]:
    given = {f"DIFFCROSSGAIT_{name.upper()}": value for name, value in settings.items() if value}
    threads = ANYTHING | {"DIFFCROSSGAIT_THREADS": "1"}
    log = folder / "service.log"
    with running_service(bundle, folder / "data", log, threads | given) as service:
        yield service


def _enrol(service: ServiceClient, subject: str, person: int = 0) -> httpx2.Response:
    return httpx2.post(
        f"{service.url}{SUBJECTS}/{subject}/templates",
        files={"clips": ("clip", probe(person, Modality.SILHOUETTE, seed=0))},
        data=AUTHORISATION,
        timeout=60,
    )


def _identify(service: ServiceClient, person: int = 0) -> httpx2.Response:
    clip = {"clip": ("clip", probe(person, Modality.SILHOUETTE))}
    return httpx2.post(f"{service.url}/v1/identify", files=clip, data=PURPOSE, timeout=60)


def _first(reply: httpx2.Response) -> str:
    assert reply.status_code == 200, reply.text
    subject: str = reply.json()["candidates"][0]["subject"]
    return subject


def _is_enrolled(service: ServiceClient, subject: str) -> bool:
    return httpx2.get(f"{service.url}{SUBJECTS}/{subject}", timeout=60).status_code == 200


def _check_audit(folder: Path) -> None:
    command = [sys.executable, "-m", "serve.audit", "verify", str(folder / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_killed_under_load_it_keeps_what_it_acknowledged(tmp_path: Path, galleries: str) -> None:
    rng, acknowledged = random.Random(9), set[str]()
    for kill in range(KILLS):
        with _served(tmp_path, galleries=galleries) as service:
            clients = [
                threading.Thread(target=_enrol_many, args=(service, f"k{kill}-{n}", acknowledged))
                for n in range(3)
            ]
            for client in clients:
                client.start()
            _await_another(acknowledged)
            time.sleep(rng.uniform(0, 0.5))
            os.kill(service.process, 9)
            for client in clients:
                client.join()
    assert len(acknowledged) >= KILLS
    with _served(tmp_path, galleries=galleries) as service:
        lost = [subject for subject in acknowledged if not _is_enrolled(service, subject)]
        assert _identify(service).status_code == 200
    assert not lost
    _check_audit(tmp_path)


def _await_another(acknowledged: set[str]) -> None:
    before, deadline = len(acknowledged), time.monotonic() + 30
    while len(acknowledged) == before and time.monotonic() < deadline:
        time.sleep(0.01)


def _enrol_many(service: ServiceClient, name: str, acknowledged: set[str]) -> None:
    with suppress(httpx2.TransportError):
        for turn in range(1000):
            if _enrol(service, f"{name}-{turn}", turn % 7).status_code == 201:
                acknowledged.add(f"{name}-{turn}")


def test_a_full_disk_is_said_and_passes(tmp_path: Path) -> None:
    with _served(tmp_path) as service:
        assert _enrol(service, "before").status_code == 201
        unlimited = resource.prlimit(service.process, resource.RLIMIT_FSIZE)
        # Clips pass to the decoding processes in memory that has the same limit.
        full = max(1 << 18, (tmp_path / "data" / "audit.db").stat().st_size)
        resource.prlimit(service.process, resource.RLIMIT_FSIZE, (full, unlimited[1]))
        replies = (_enrol(service, f"during{n}", n) for n in range(400))
        refused = next(reply for reply in replies if not reply.is_success)
        assert refused.status_code in {503, 507}
        assert refused.json()["code"] in {"audit.unavailable", "storage.failed"}
        searches = (_identify(service) for _ in range(400))
        found = next(reply for reply in searches if not reply.is_success)
        assert found.status_code == 503
        assert "candidates" not in found.text
        assert httpx2.get(f"{service.url}/healthz").status_code == 200
        resource.prlimit(service.process, resource.RLIMIT_FSIZE, unlimited)
        assert _enrol(service, "after").status_code == 201
        assert _is_enrolled(service, "before")
    _check_audit(tmp_path)


def test_a_full_disk_of_postgres_is_said_and_passes(tmp_path: Path) -> None:
    server = servers.start("postgres", tmp_path)
    try:
        with _served(tmp_path, galleries=servers.postgres_address(server, "postgres")) as service:
            assert _enrol(service, "before").status_code == 201
            table = "gait_default.embeddings"
            servers.execute(server, f"ALTER TABLE {table} ALTER COLUMN sealed SET STORAGE PLAIN")
            servers.execute(  # as large as a segment of the log, which has to find room
                server, f"INSERT INTO {table} SELECT -n, repeat('x', 8000)::bytea "
                "FROM generate_series(1, 2500) n",
            )  # fmt: skip
            servers.execute(server, "CHECKPOINT")
            full = servers.size(server, table)
            servers.limit_files(server, full + 4096)  # a page would fit by half
            refused = [_enrol(service, f"during{n}", n) for n in range(1, 30)]
            codes = {(each.status_code, each.json().get("code")) for each in refused}
            assert codes <= {(201, None), (507, "storage.failed")}
            assert refused[-1].status_code == 507
            assert _first(_identify(service)) == "before"
            assert httpx2.get(f"{service.url}/readyz").status_code == 200
            servers.limit_files(server, None)
            assert _enrol(service, "after", 1).status_code == 201
            acknowledged = [n for n, each in enumerate(refused, 1) if each.status_code == 201]
            assert all(_is_enrolled(service, f"during{n}") for n in acknowledged)
            assert not _is_enrolled(service, "during29")
    finally:
        servers.stop(server)
    _check_audit(tmp_path)


@pytest.mark.parametrize("what", ["code", "embedding", "key", "name"])
def test_damaged_templates_are_left_out_and_counted(
    tmp_path: Path, galleries: str, what: str
) -> None:
    place = galleries or str(tmp_path / "data" / "galleries" / "default")
    with _served(tmp_path, galleries=galleries) as service:
        for person in range(5):
            assert _enrol(service, f"p{person}", person).status_code == 201
    _damage(place, what)
    with _served(tmp_path, galleries=galleries) as service:
        for person in range(5):
            found = [each["subject"] for each in _identify(service, person).json()["candidates"]]
            assert "p0" not in found
            assert len(found) == 4
            assert person == 0 or found[0] == f"p{person}"
        ready = httpx2.get(f"{service.url}/readyz")
        assert ready.status_code == 200
        assert [each["damaged"] for each in ready.json()["galleries"]] == [1]
        metrics = httpx2.get(f"{service.url}/metrics").text
        assert 'gait_gallery_damaged_templates{gallery="default"} 1.0' in metrics
        assert _enrol(service, "after", 7).status_code == 201
        known = ["--gallery", place, "--bundle", str(TINY), "--json"]
        info = subprocess.run(
            [sys.executable, "-m", "gallery.info", *known],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(info.stdout)["damaged"] == "1"


def _damage(place: str, what: str) -> None:
    """Changes what is stored of the first person, as a disk or a thief would."""
    engine = open_engine(parse_location(place))
    statements = {
        "code": update(TEMPLATES).where(TEMPLATES.c.id == 1).values(code=b"x" * 60),
        "embedding": update(EMBEDDINGS).where(EMBEDDINGS.c.template == 1).values(sealed=b"x" * 99),
        "key": update(SUBJECT_KEYS).where(SUBJECT_KEYS.c.subject == 1).values(wrapped=b"x" * 60),
        "name": update(PEOPLE).where(PEOPLE.c.id == 1).values(name="somebody else"),
    }
    with transaction(engine) as connection:
        connection.execute(statements[what])
    engine.dispose()


def test_a_swapped_model_serves_on_but_does_not_start(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(TINY, bundle)
    with _served(tmp_path, bundle) as service:
        assert _enrol(service, "before").status_code == 201
        for copy in (bundle, *(tmp_path / "data" / "galleries").glob("*/bundle")):
            (copy / "silhouette.onnx").unlink()
            shutil.copy(TINY / "range_view.onnx", copy / "silhouette.onnx")
        assert _first(_identify(service)) == "before"
    with pytest.raises(ServiceError, match=r"bundle\.tampered"), _served(tmp_path, bundle):
        pass


@pytest.mark.parametrize(
    ("database", "ask", "code"),
    [
        ("galleries/default/gallery.db", lambda s: _enrol(s, "during"), "gallery.locked"),
        ("audit.db", _identify, "audit.unavailable"),
    ],
)
def test_a_locked_store_is_said_and_passes(
    tmp_path: Path, database: str, ask: Callable[[ServiceClient], httpx2.Response], code: str
) -> None:
    with _served(tmp_path) as service:
        assert _enrol(service, "before").status_code == 201
        with closing(sqlite3.connect(tmp_path / "data" / database)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = ask(service)
            other.rollback()
        assert (refused.status_code, refused.json()["code"]) == (503, code)
        assert ask(service).is_success
    _check_audit(tmp_path)


def test_a_locked_postgres_is_said_and_passes(tmp_path: Path, postgres_url: str) -> None:
    with _served(tmp_path, galleries=postgres_url) as service:
        assert _enrol(service, "before").status_code == 201
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT revision FROM gait_default.meta FOR UPDATE")
            refused = _enrol(service, "during", 1)
            assert _first(_identify(service)) == "before"
            other.rollback()
        assert (refused.status_code, refused.json()["code"]) == (503, "gallery.locked")
        assert _enrol(service, "after", 1).status_code == 201
        assert not _is_enrolled(service, "during")
    _check_audit(tmp_path)


def test_a_moved_clock_hides_people_and_loses_none(
    tmp_path: Path, galleries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.opened(tmp_path, galleries=galleries or None) as service:
        client, clip = services.client(service), probe(0, Modality.SILHOUETTE)
        services.enrol(client, 1)
        with monkeypatch.context() as moved:
            moved.setattr(clock, "now", lambda: LATER)
            hidden = services.identify(client, clip).json()
            assert (hidden["decision"], hidden["candidates"]) == ("no_match", [])
            assert ErasureRounds(service).round() == 0
        with monkeypatch.context() as moved:
            moved.setattr(clock, "now", lambda: 0)
            assert services.identify(client, clip).status_code == 200
        found = services.identify(client, clip).json()
        assert found["candidates"][0]["subject"] == "p000"
    _check_audit(tmp_path)


def test_stalled_clients_are_let_go(tmp_path: Path) -> None:
    with _served(tmp_path, body_seconds="1") as service, ExitStack() as stack:
        heads = [stack.enter_context(_sent(service, b"POST /v1/id")) for _ in range(20)]
        bodies = [stack.enter_context(_sent(service, _HALF)) for _ in range(20)]
        assert _enrol(service, "meanwhile").status_code == 201
        for body in bodies:
            assert b" 408 " in body.recv(4096).partition(b"\r\n")[0]
        for head in heads:
            assert head.recv(1) == b""


def test_a_byte_now_and_then_is_no_progress(tmp_path: Path) -> None:
    with _served(tmp_path) as service, _sent(service, b"GET /healthz HTTP/1.1\r\n") as client:
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 60:
                client.sendall(b"X")
                time.sleep(0.25)
        assert 8 < time.monotonic() - began < 15


def test_half_a_body_changes_nothing(tmp_path: Path) -> None:
    with _served(tmp_path) as service:
        for _ in range(100):
            with _sent(service, _HALF):
                pass
        assert httpx2.get(f"{service.url}{SUBJECTS}").json()["subjects"] == []
        assert _enrol(service, "after").status_code == 201


def test_a_thousand_connections_at_once(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CONNECTIONS)), hard))
    with _served(tmp_path) as service, ExitStack() as stack:
        assert _enrol(service, "before").status_code == 201
        many = [stack.enter_context(_sent(service, b"")) for _ in range(CONNECTIONS)]
        assert _first(_identify(service)) == "before"
        for each in many:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers = [each.recv(4096).partition(b"\r\n")[0] for each in many]
        assert answers == [b"HTTP/1.1 200 OK"] * CONNECTIONS


_HALF = (
    f"POST {SUBJECTS}/half/templates HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
    "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
).encode()


def _sent(service: ServiceClient, data: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    client.sendall(data)
    return client
