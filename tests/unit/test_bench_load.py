"""Clients that measure: what they count, and that they go on when a connection breaks."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from bench.serving.load import press
from bench.serving.service_process import _without_settings

pytestmark = pytest.mark.serving
ROOT = Path(__file__).parents[2]
REQUEST = b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request, numbered from 0, as it is told to."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._ready = answer, Event()
        self.count, self.port = 0, 0
        self._thread = Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._over.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(len(REQUEST)):
            number, self.count = self.count, self.count + 1
            await self._answer(number, writer)
            if writer.is_closing():
                return
        writer.close()


async def at_once(_: int, writer: asyncio.StreamWriter) -> None:
    writer.write(REPLY)


async def breaking(number: int, writer: asyncio.StreamWriter) -> None:
    if number == 1:
        writer.close()
    else:
        await at_once(number, writer)


def test_the_first_request_of_each_client_is_answered_and_not_timed() -> None:
    with Server(at_once) as server:
        load = press([server.port], [REQUEST], clients=3, seconds=0)
    assert load.answered == server.count == 9, "three of each, however short the time"
    assert len(load.latencies) == 6
    assert load.rate == pytest.approx(9 / load.seconds)


def test_clients_are_shared_out_to_the_services_in_turn() -> None:
    with Server(at_once) as one, Server(at_once) as other:
        load = press([one.port, other.port], [REQUEST], clients=3, seconds=0)
    assert (one.count, other.count) == (6, 3)
    assert load.answered == 9


def test_a_client_goes_on_when_its_connection_breaks() -> None:
    with Server(breaking) as server:
        load = press([server.port], [REQUEST], clients=1, seconds=2)
    assert load.statuses[0] == 1
    assert load.answered > 3


def test_without_a_service_every_try_counts_as_broken() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        load = press([closed.getsockname()[1]], [REQUEST], clients=2, seconds=0.1)
    assert load.answered == 0
    assert load.statuses[0] >= 2


def test_settings_of_the_service_of_whoever_measures_do_not_reach_the_one_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIFFCROSSGAIT_GALLERIES", "postgresql://site/galleries")
    monkeypatch.setenv("DIFFCROSSGAIT_MASTER_KEY_FILE", "key")
    seen = _without_settings()
    assert "DIFFCROSSGAIT_GALLERIES" not in seen
    assert seen["DIFFCROSSGAIT_MASTER_KEY_FILE"] == "key"
    assert seen["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--clients", "0"], "less than one client"),
        (["--rounds", "0"], "less than one client, frame or round"),
        (["--seconds", "0"], "more than none"),
        (["--litserve", "/nowhere"], "no folder /nowhere"),
        (["--processes", "0"], "less than one process"),
        (["--postgres", "site-7"], "postgresql://"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(given: list[str], said: str) -> None:
    command = [sys.executable, "-m", "bench.serve", "--bundle", "tests/data/tiny_bundle", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
