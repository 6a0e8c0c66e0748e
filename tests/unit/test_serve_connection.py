"""Connections that cost much and bring nothing: tiny chunks, and more than there is room for."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPResponse

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from serve.middleware import connection
from serve.middleware.connection import CHUNK_BYTES, CHUNKS, Connection, allow_connections

pytestmark = pytest.mark.serving


async def _length(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/refused":
        await PlainTextResponse("no", 401)(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"got {len(body)}")(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    options = uvicorn.Config(_length, http=Connection, log_config=None, lifespan="off")
    server = uvicorn.Server(options)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


def _opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _answer(client: socket.socket, *chunks: bytes) -> str:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)
    return _reply(client)


def _reply(client: socket.socket) -> str:
    with closing(HTTPResponse(client)) as reply:
        reply.begin()
        return f"{reply.status} {reply.read().decode()}"


def test_a_body_in_chunks_of_usual_size_is_read(port: int) -> None:
    with _opened(port) as client:
        assert _answer(client, *[bytes(CHUNK_BYTES)] * (CHUNKS + 200)) == "200 got 614400"
        assert _answer(client, *[b"x"] * CHUNKS) == "200 got 1000"
        assert _answer(client, *[b"x"] * CHUNKS) == "200 got 1000", "each request is counted anew"


def test_a_body_in_tiny_chunks_is_cut_off(port: int) -> None:
    for size in (1, CHUNK_BYTES - 1):
        with _opened(port) as client:
            assert _answer(client, *[bytes(size)] * (CHUNKS + 1)).startswith("400")


def test_who_waits_longest_makes_room(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds connections open keeps nobody else out, and the service keeps its handles."""
    monkeypatch.setattr(Connection, "most", 5)
    with ExitStack() as stack:
        idle = [stack.enter_context(_opened(port)) for _ in range(20)]
        for _ in range(3):
            with _opened(port) as client:
                assert _answer(client, b"x") == "200 got 1"
        assert [each.recv(1) for each in idle[:15]] == [b""] * 15
        assert _answer(idle[-1], b"x") == "200 got 1"


def test_a_body_that_nobody_reads_keeps_no_connection(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)
    with _opened(port) as client:
        client.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert _reply(client) == "401 no"
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 8:
                client.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() - began < 5
    with _opened(port) as client:  # one that is sent to its end is read over
        client.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
        time.sleep(0.2)
        client.sendall(b"345")
        assert _reply(client) == "401 no"
        assert client.recv(1) == b"", "and closed when nothing follows"


def test_half_of_the_handles_are_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    for had, gets, most in [
        ((1024, 4096), (4096, 4096), 2048),
        ((1024, 1 << 20), (65536, 1 << 20), 32768),
        ((1 << 19, 1 << 20), (1 << 19, 1 << 20), 1 << 18),
        ((1024, resource.RLIM_INFINITY), (65536, resource.RLIM_INFINITY), 32768),
    ]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, had=had: had)
        assert allow_connections() == most
        assert told[-1] == gets
