"""Two services, each a process with a data folder of its own, over one PostgreSQL."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg
import pytest

from bench.serving.service_process import ServiceClient, running
from gait.modality import Modality
from gallery import keys
from gallery.opening import open_gallery
from gallery.record.master_key import FILE_VARIABLE, VARIABLE, MasterKey
from tests import servers
from tests.galleries import TINY
from tests.services import AUTHORISATION, PURPOSE, SUBJECTS, probe

pytestmark = [pytest.mark.serving, pytest.mark.slow]


class Pair(NamedTuple):
    """Two services on the same galleries."""

    one: ServiceClient
    other: ServiceClient


@contextmanager
def _pair(folder: Path, galleries: str, *options: str, **variables: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(
            *(
                stack.enter_context(_replica(folder, name, galleries, *options, **variables))
                for name in ("one", "other")
            )
        )


@contextmanager
def _replica(
    folder: Path, name: str, galleries: str, *options: str, **variables: str
) -> Iterator[ServiceClient]:
    command = ["serve.run", "--bundle", str(TINY), "--data", str(folder / name), "--threads", "1"]
    command += ["--quality-search", "off", "--quality-enrol", "off"]
    command += ["--galleries", galleries, *options]
    with running(command, folder / f"{name}.log", variables) as service:
        yield service


def _send(service: ServiceClient, method: str, path: str, **sent: Any) -> httpx2.Response:
    return httpx2.request(method, f"{service.url}{path}", timeout=60, **sent)


def _enrol(
    service: ServiceClient, subject: str, person: int, gallery: str = "default"
) -> httpx2.Response:
    return _send(
        service, "POST", f"/v1/galleries/{gallery}/subjects/{subject}/templates",
        files={"clips": ("clip", probe(person, Modality.SILHOUETTE, seed=0))}, data=AUTHORISATION,
    )  # fmt: skip


def _identify(service: ServiceClient, person: int, gallery: str = "default") -> httpx2.Response:
    clip = {"clip": ("clip", probe(person, Modality.SILHOUETTE))}
    return _send(
        service, "POST", "/v1/identify", files=clip, data=PURPOSE | {"gallery": gallery}
    )  # fmt: skip


def _found(service: ServiceClient, person: int) -> list[str]:
    reply = _identify(service, person)
    if reply.status_code == 409:
        assert reply.json()["code"] == "gallery.empty"
        return []
    assert reply.status_code == 200, reply.text
    return [each["subject"] for each in reply.json()["candidates"]]


def _code(reply: httpx2.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize("index", ["memory", "milvus"])
def test_who_is_enrolled_at_one_is_found_at_the_other_at_once(
    tmp_path: Path, postgres_url: str, index: str, request: pytest.FixtureRequest
) -> None:
    address = "memory" if index == "memory" else request.getfixturevalue("milvus_uri")
    with _pair(tmp_path, postgres_url, "--index", address) as (one, other):
        for person in range(5):
            here, there = (one, other) if person % 2 else (other, one)
            assert _enrol(here, f"p{person}", person).status_code == 201
            assert _found(there, person)[0] == f"p{person}"
            assert _found(there, person) == _found(here, person)
        for person in range(5):
            here, there = (one, other) if person % 2 else (other, one)
            erased = _send(here, "DELETE", f"{SUBJECTS}/p{person}")
            assert erased.status_code == 200
            assert f"p{person}" not in _found(there, person)
            assert _send(there, "GET", f"{SUBJECTS}/p{person}").status_code == 404
        assert _found(one, 0) == _found(other, 0) == []


def test_galleries_come_and_go_at_all_replicas(tmp_path: Path, postgres_url: str) -> None:
    with _pair(tmp_path, postgres_url) as (one, other):
        for turn in range(3):
            made = _send(one, "POST", "/v1/galleries", json={"gallery": "site"})
            assert made.status_code == 201, (turn, made.text)
            assert _enrol(other, f"turn{turn}", turn, "site").status_code == 201
            assert _identify(one, turn, "site").json()["candidates"][0]["subject"] == f"turn{turn}"
            again = _send(other, "POST", "/v1/galleries", json={"gallery": "site"})
            assert _code(again) == (409, "gallery.exists")
            assert (
                _send(other, "DELETE", "/v1/galleries/site?everyone=true").json()[
                    "subjects_removed"
                ]
                == 1
            )
            for service in (one, other):
                assert _code(_identify(service, turn, "site")) == (404, "gallery.not_found")
                assert _code(_enrol(service, "x", 1, "site")) == (404, "gallery.not_found")
                assert _code(_send(service, "DELETE", "/v1/galleries/site?everyone=true"))[0] == 404
                listed = _send(service, "GET", "/v1/galleries").json()["galleries"]
                assert listed == ["default"]
                assert _send(service, "GET", "/readyz").status_code == 200
                assert _send(service, "GET", "/metrics").status_code == 200


def test_a_gallery_that_was_replaced_elsewhere_is_not_taken_for_the_old_one(
    tmp_path: Path, postgres_url: str
) -> None:
    with _pair(tmp_path, postgres_url) as (one, other):
        assert _send(one, "POST", "/v1/galleries", json={"gallery": "site"}).status_code == 201
        assert _enrol(one, "old", 1, "site").status_code == 201
        assert _send(other, "DELETE", "/v1/galleries/site?everyone=true").status_code == 200
        assert _send(other, "POST", "/v1/galleries", json={"gallery": "site"}).status_code == 201
        assert _identify(one, 1, "site").json()["candidates"] == []
        assert _enrol(one, "new", 2, "site").status_code == 201
        found = _identify(other, 2, "site").json()["candidates"]
        assert [each["subject"] for each in found] == ["new"]


def test_one_killed_while_it_enrols_loses_nothing_and_stops_nobody(
    tmp_path: Path, postgres_url: str
) -> None:
    acknowledged: set[str] = set()
    with _replica(tmp_path, "other", postgres_url) as other:
        for kill in range(3):
            with _replica(tmp_path, "one", postgres_url) as one:
                clients = [
                    threading.Thread(
                        target=_enrol_many, args=(service, f"k{kill}-{n}", acknowledged, stop)
                    )
                    for n, (service, stop) in enumerate(((one, _Never()), (one, _Never())))
                ]
                until = threading.Event()
                beside = threading.Thread(
                    target=_enrol_many, args=(other, f"k{kill}-other", acknowledged, until)
                )
                for client in (*clients, beside):
                    client.start()
                time.sleep(1.0)
                before = len(acknowledged)
                os.kill(one.process, signal.SIGKILL)
                for client in clients:
                    client.join()
                began = time.monotonic()
                assert _enrol(other, f"after-kill{kill}", kill).status_code == 201
                assert time.monotonic() - began < 5
                until.set()
                beside.join()
                assert before > 0
        lost = [
            subject
            for subject in sorted(acknowledged)
            if _send(other, "GET", f"{SUBJECTS}/{subject}").status_code != 200
        ]
        assert not lost
        with _replica(tmp_path, "one", postgres_url) as one:
            assert _found(one, 0) == _found(other, 0)


class _Never(threading.Event):
    """Is never set."""


def _enrol_many(
    service: ServiceClient, name: str, acknowledged: set[str], until: threading.Event
) -> None:
    with suppress(httpx2.TransportError):
        for turn in range(100_000):
            if until.is_set():
                return
            if _enrol(service, f"{name}-{turn}", turn % 7).status_code == 201:
                acknowledged.add(f"{name}-{turn}")


def test_postgres_restarted_under_both_is_said_and_passes(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    server = servers.start("postgres", folder, lasting=True)
    try:
        url = servers.postgres_address(server, "postgres")
        with _pair(tmp_path, url) as pair:
            assert _enrol(pair.one, "before", 0).status_code == 201
            assert _found(pair.other, 0) == ["before"]
            servers.stop(server)
            for service in pair:
                for refused in (
                    _identify(service, 0),
                    _enrol(service, "during", 1),
                    _send(service, "DELETE", f"{SUBJECTS}/before"),
                    _send(service, "GET", "/v1/galleries"),
                    _send(service, "GET", "/readyz"),
                ):
                    assert _code(refused) == (503, "storage.unavailable"), refused.text
                    assert refused.headers["Retry-After"] == "1"
                    assert str(server["port"]) not in refused.text
                assert _send(service, "GET", "/healthz").status_code == 200
                measured = _send(service, "GET", "/metrics")
                assert "gait_galleries_reachable 0.0" in measured.text
            server = servers.start("postgres", folder, lasting=True)
            for service in pair:
                assert _found(service, 0) == ["before"]
                assert _send(service, "GET", "/readyz").status_code == 200
                assert "gait_galleries_reachable 1.0" in _send(service, "GET", "/metrics").text
            assert _enrol(pair.one, "after", 1).status_code == 201
            assert _found(pair.other, 1)[0] == "after"
    finally:
        servers.stop(server)
        servers.forget(folder)


def test_connections_that_postgres_ended_are_made_again(tmp_path: Path, postgres_url: str) -> None:
    with _pair(tmp_path, postgres_url) as (one, other):
        assert _enrol(one, "before", 0).status_code == 201
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert _found(one, 0) == _found(other, 0) == ["before"]


def test_a_master_key_changed_by_another_process_is_said(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "next.key"
    MasterKey.generate().save(new)
    with _pair(tmp_path, postgres_url) as pair:
        assert _enrol(pair.one, "before", 0).status_code == 201
        assert keys.rotated(postgres_url, MasterKey.load(), MasterKey.read(new)) == 1
        for service in pair:
            for refused in (
                _identify(service, 0),
                _enrol(service, "during", 1),
                _send(service, "GET", "/readyz"),
            ):
                assert _code(refused) == (503, "gallery.master_key")
                assert "master key" in refused.json()["detail"]
            assert _send(service, "GET", "/healthz").status_code == 200
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv(FILE_VARIABLE, str(new))
    with open_gallery(postgres_url, bundle=TINY) as gallery:
        assert [each.name for each in gallery.subjects()] == ["before"]
