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
"""Seconds that a client stays away after a refusal."""


@dataclass
class Load:
    """What clients saw.

    Args:
        seconds: of all of it.
        latencies: seconds of each request that was answered with 2xx.
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
    def rate(self) -> float:
        """Requests answered a second."""
        return len(self.latencies) / self.seconds

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


def press(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Lets clients send requests for some seconds, each the next when it has its answer.

    Args:
        port: of the service on this machine.
        requests: sent in turn.
        clients: at the same time, each with a connection of its own.
        seconds: after which nobody sends any more; what was sent is waited for.
    """
    return asyncio.run(_press(port, requests, clients, seconds))


async def _press(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    load, turn = Load(), itertools.cycle(requests)
    began, cpu = time.perf_counter(), _cpu_seconds()
    end = began + seconds
    await asyncio.gather(*(_client(port, turn, end, load) for _ in range(clients)))
    load.seconds, load.cpu = time.perf_counter() - began, _cpu_seconds() - cpu
    return load


async def _client(port: int, turn: Iterator[bytes], end: float, load: Load) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        while (sent := time.perf_counter()) < end:
            writer.write(next(turn))
            status = await _reply(reader)
            load.statuses[status] += 1
            if 200 <= status < 300:
                load.latencies.append(time.perf_counter() - sent)
            else:
                await asyncio.sleep(_PAUSE)
    except (ConnectionError, asyncio.IncompleteReadError):
        load.statuses[0] += 1
    finally:
        writer.close()


async def _reply(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    lengths = [line for line in head if line.startswith("content-length:")]
    await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)
    return int(head[0].split()[1])


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
