"""Clients that send the same requests again and again to a service on this machine.

The requests are made beforehand and the replies are hardly looked at, so that the clients, which
share the cores with the service, take little of them.
"""

import asyncio
import itertools
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
import numpy as np

HOST = "127.0.0.1"
_PAUSE = 0.05
"""Seconds that a client stays away after a refusal, or a connection that broke."""
_LEAST = 3
"""Requests of each client, so that some meet as many others as there always are."""
_PATIENCE = 120.0
"""Seconds that a client waits for a reply."""


@dataclass
class Load:
    """What clients saw.

    Args:
        seconds: of all of it.
        latencies: seconds of each request that was answered with 2xx, without the first that each
            client sent: all of them begin at once, with nobody before them.
        statuses: how many requests got which status; 0 for a connection that broke.
        cpu: seconds of a core that the clients themselves took.
        server_cpu: seconds of a core that who served them took.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    cpu: float = 0.0
    server_cpu: float = 0.0

    @property
    def answered(self) -> int:
        """Requests answered with 2xx, the first ones as well."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.answered / self.seconds

    def milliseconds(self, percentile: float) -> float:
        """A percentile of the answered requests' times."""
        return 1e3 * float(np.percentile(self.latencies, percentile)) if self.latencies else np.nan


def form(
    port: int,
    path: str,
    files: Mapping[str, bytes],
    fields: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole `POST` of a multipart form, ready to be sent."""
    request = httpx2.Request(
        "POST",
        f"http://{HOST}:{port}{path}",
        files={name: (f"{name}.npy", data) for name, data in files.items()},
        data=dict(fields),
        headers=dict(headers or {}),
    )
    request.read()
    lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.content


def press(ports: Sequence[int], requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Lets clients send requests for some seconds, each the next when it has its answer.

    Args:
        ports: of services on this machine, which clients are shared out to in turn.
        requests: sent in turn.
        clients: at the same time, each with a connection of its own.
        seconds: after which nobody sends any more who has sent `_LEAST`, or whose connection broke;
            what was sent is waited for.
    """
    return asyncio.run(_press(ports, requests, clients, seconds))


async def _press(
    ports: Sequence[int], requests: Sequence[bytes], clients: int, seconds: float
) -> Load:
    load, turn = Load(), itertools.cycle(requests)
    each = [ports[client % len(ports)] for client in range(clients)]
    began, cpu = time.perf_counter(), _cpu_seconds()
    end = began + seconds
    await asyncio.gather(*(_client(port, turn, end, load) for port in each))
    load.seconds, load.cpu = time.perf_counter() - began, _cpu_seconds() - cpu
    return load


async def _client(port: int, turn: Iterator[bytes], end: float, load: Load) -> None:
    sent = itertools.count()
    while not await _sends(port, turn, end, load, sent):
        load.statuses[0] += 1
        await asyncio.sleep(_PAUSE)
        if time.perf_counter() >= end:  # a service that is gone is not waited for
            return


async def _sends(
    port: int, turn: Iterator[bytes], end: float, load: Load, sent: Iterator[int]
) -> bool:
    """Sends over one connection; whether it held to the end."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        for number in sent:
            if (began := time.perf_counter()) >= end and number >= _LEAST:
                break
            writer.write(next(turn))
            async with asyncio.timeout(_PATIENCE):
                status = await _reply(reader)
            load.statuses[status] += 1
            if not 200 <= status < 300:
                await asyncio.sleep(_PAUSE)
            elif number:
                load.latencies.append(time.perf_counter() - began)
    except (OSError, asyncio.IncompleteReadError):  # a TimeoutError is an OSError
        return False
    finally:
        writer.close()
    return True


async def _reply(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    lengths = [line for line in head if line.startswith("content-length:")]
    await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)
    return int(head[0].split()[1])


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
