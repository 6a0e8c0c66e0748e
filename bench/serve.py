"""What the service costs over the network it serves, and how it bears many clients.

python -m bench.serve --bundle bundle

In turns, so that all meet the same machine: the encoder and a search in a bare loop; the service,
with keys and with limits that are never reached; the same model behind a plain FastAPI handler and,
if `--litserve` and `--bentoml` say where they were installed, behind LitServe and BentoML. The
clients are a process apart and know only this machine. With `--postgres` services that share one
record in PostgreSQL are measured as well: one of them, and `--processes` together. With `--minutes`
the service then gets mixed traffic, and its memory is watched. With `--hostile 10` one honest
client meets ten that send files made to be slow. With `--flame FILE.svg` py-spy draws what holds
Python's lock beside one client.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from bench.measuring.options import Bundle, Json
from bench.serving.hostile import beside_hostile, beside_text
from bench.serving.load import Load, form, press
from bench.serving.plain_server import PATH, Bare
from bench.serving.service_process import (
    ANYTHING,
    Served,
    ServiceClient,
    clip_file,
    running,
    running_service,
)
from bench.serving.soak import memory_text, soak
from gait.cli import run
from gait.clip import Clip
from gait.errors import ConfigError
from gait.modality import Modality
from gallery.command_line.table import table
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.settings import KEYS

_PEOPLE = 64
_FIELDS = {"modality": "silhouette", "top_k": "5", "purpose": "benchmark"}
_OFTEN = {f"DIFFCROSSGAIT_RATE_PER_{of}": "100000000/minute" for of in ("KEY", "GALLERY")}
BARE = "bare encoder + search"
_Server = AbstractContextManager[ServiceClient]


@dataclass(frozen=True)
class Arguments:
    """Measures the service beside the bare encoder and other ways to serve it.

    Args:
        clients: numbers of clients at the same time.
        frames: of each clip.
        seconds: of each measurement.
        rounds: measurements of each kind, taken in turns.
        litserve: folder made by `pip install --target FOLDER litserve`; left out if not given.
        bentoml: folder made by `uv pip install --target FOLDER 'bentoml>=1.4'`, likewise.
        postgres: an empty database, `postgresql://USER@HOST:PORT/DATABASE`; its password comes from
            `PGPASSWORD`. On a machine that has no server, `python -m tests.servers postgres FOLDER
            $$` starts one. Processors are shared with it, and what it uses is not in "CPU ms".
        processes: services on it.
        minutes: of mixed traffic afterwards, with the memory watched.
        hostile: clients that send files made to be slow, beside one honest client. Its times alone
            and beside them are then all that is measured.
        flame: an SVG that py-spy, which has to be installed, draws of the service beside one
            client for ten times `seconds`. Nothing else is then measured.
    """

    bundle: Bundle
    clients: tuple[int, ...] = (1, 8, 32, 128)
    frames: int = 30
    seconds: float = 2.0
    rounds: int = 3
    litserve: Path | None = None
    bentoml: Path | None = None
    postgres: str | None = None
    processes: int = 2
    minutes: float = 0.0
    hostile: int = 0
    flame: Path | None = None
    json: Json = False


@dataclass(frozen=True)
class ServingResult:
    """One way to serve under one number of clients; each figure is the median over rounds.

    Args:
        name: of the way.
        clients: at the same time.
        p50_ms, p95_ms, p99_ms: of a request, as its client saw it.
        clips_per_second: answered.
        share: of the clips a second of the bare loop in the same round.
        extra_ms: p50 over that of the bare loop in the same round.
        cpu_ms: of a core, for each request, of all processes that serve.
        refused: requests not answered with 2xx, by status; 0 for a broken connection.
        client_share: of one core that the clients took themselves.
    """

    name: str
    clients: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    clips_per_second: float
    share: float
    extra_ms: float
    cpu_ms: float
    refused: dict[int, int]
    client_share: float


def main() -> None:
    """Measures, and prints a table or JSON."""
    given = tyro.cli(Arguments, prog="python -m bench.serve")
    _check(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end too
    clips = _clips(given.frames)
    if given.hostile:
        _hostile(given, clips)
        return
    if given.flame is not None:
        _flame(given, given.flame, clips)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {
            name: stack.enter_context(server)
            for name, server in _servers(given, Path(folder)).items()
        }
        enrol(servers["service"])
        served = {name: Served([server]) for name, server in servers.items()}
        if given.postgres is not None:
            served |= _sharing(given, given.postgres, Path(folder), stack)
        rows = _rows(given, served, clips)
        memory = soak(servers["service"], given.minutes) if given.minutes else None
    if given.json:
        print(json.dumps({"rows": [vars(row) for row in rows], "memory": memory}, indent=1))
    else:
        print(results_table(rows))
        print("" if memory is None else memory_text(memory), end="")


def _check(given: Arguments) -> None:
    if not given.clients or min(*given.clients, given.frames, given.rounds) < 1:
        raise ConfigError("got less than one client, frame or round, need one or more of each")
    if given.processes < 1:
        raise ConfigError(f"got {given.processes} services on PostgreSQL, less than one process")
    if given.postgres is not None and not given.postgres.startswith("postgresql://"):
        raise ConfigError(f"got {given.postgres!r}, need postgresql://USER@HOST:PORT/DATABASE")
    if given.seconds <= 0:
        raise ConfigError(f"got measurements of {given.seconds} s, need more than none")
    for folder in (given.litserve, given.bentoml):
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}: see --help for how it is made")


def _hostile(given: Arguments, clips: Sequence[Clip]) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        running_service(given.bundle, Path(name) / "data", Path(name) / "log", ANYTHING) as service,
    ):
        enrol(service)
        files = [clip_file(clip) for clip in clips]
        result = beside_hostile(service, files, given.hostile, given.seconds)
    print(json.dumps(result.figures) if given.json else beside_text(result), end="")


def _flame(given: Arguments, out: Path, clips: Sequence[Clip]) -> None:
    """What holds Python's lock of the service while one client sends requests, as a picture.

    Raises:
        ConfigError: py-spy is missing, or fails, such as for lack of rights.
    """
    if shutil.which("py-spy") is None:
        raise ConfigError("found no py-spy: pip install py-spy, and try again")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        service = stack.enter_context(_servers(given, Path(folder))["service"])
        enrol(service)
        seconds = 10 * given.seconds
        watching = ["py-spy", "record", "--gil", "--threads", "--rate", "500", "--nonblocking"]
        watching += ["--duration", str(max(1, round(seconds))), "--pid", str(service.process)]
        drawing = subprocess.Popen([*watching, "--output", str(out)])
        load = _pressed(Served([service]), clips, 1, seconds)
        if drawing.wait():
            raise ConfigError(f"py-spy ended with {drawing.returncode}: it may need root")
    print(f"{out}: {len(load.latencies)} requests, p50 {load.milliseconds(50):.1f} ms")


def enrol(service: ServiceClient) -> None:
    """Enrols people of random pixels, so that there is something to search."""
    for person in range(_PEOPLE):
        (clip,) = _clips(8, seed=person + 1, count=1)
        service.enrol(f"p{person:03}", clip_file(clip), clip.modality)


def _servers(given: Arguments, folder: Path) -> Mapping[str, _Server]:
    rival = ["--bundle", str(given.bundle), "--people", str(_PEOPLE)]
    data, log = folder / "data", folder / "service.log"
    token = KeyFile(data / KEYS).new(Grant(scopes=tuple(Scope))).token
    servers: dict[str, _Server] = {
        "service": running_service(given.bundle, data, log, ANYTHING | _OFTEN, token),
        "plain FastAPI": running(["bench.serving.plain_server", *rival], folder / "fastapi.log"),
    }
    for name, installed in (("LitServe", given.litserve), ("BentoML", given.bentoml)):
        if installed is not None:
            path = {"PYTHONPATH": f"{installed}:{Path.cwd()}"}
            module = f"bench.serving.{name.lower()}_server"
            servers[name] = running([module, *rival], folder / f"{name}.log", path)
    return servers


def _sharing(
    given: Arguments, database: str, folder: Path, stack: ExitStack
) -> Mapping[str, Served]:
    """One service on a record in PostgreSQL, and several, that one among them."""
    keys = folder / KEYS
    token = KeyFile(keys).new(Grant(scopes=tuple(Scope))).token
    settings = {"DIFFCROSSGAIT_GALLERIES": database, "DIFFCROSSGAIT_KEYS": str(keys)}
    services = list[ServiceClient]()
    for number in range(given.processes):
        data, log = folder / f"data-{number}", folder / f"service-{number}.log"
        one = running_service(given.bundle, data, log, ANYTHING | _OFTEN | settings, token)
        services.append(stack.enter_context(one))
    enrol(services[0])
    together = {f"{count} on PostgreSQL": services[:count] for count in (1, given.processes)}
    return {name: Served(some) for name, some in together.items()}


def _rows(
    given: Arguments, servers: Mapping[str, Served], clips: Sequence[Clip]
) -> list[ServingResult]:
    bare = Bare(given.bundle, _PEOPLE)
    kinds = [(BARE, 1)]
    kinds += [
        (name, clients)
        for clients in given.clients
        for name, server in servers.items()
        if clients >= len(server.services)
    ]
    loads: dict[tuple[str, int], list[Load]] = {kind: [] for kind in kinds}
    for turn in range(given.rounds):
        for name, clients in kinds:
            print(f"round {turn + 1}: {name}, {clients} clients", file=sys.stderr)
            if name == BARE:
                loads[name, clients].append(_loop(bare, clips, given.seconds))
            else:
                load = _pressed(servers[name], clips, clients, given.seconds)
                loads[name, clients].append(load)
    return [serving_result(*kind, loads[kind], loads[BARE, 1]) for kind in kinds]


def _pressed(server: Served, clips: Sequence[Clip], clients: int, seconds: float) -> Load:
    """What clients of a server saw, and the processor time that it took."""
    ports, headers = server.ports, server.headers
    requests = [form(ports[0], PATH, {"clip": clip_file(c)}, _FIELDS, headers) for c in clips]
    press(ports, requests, clients, 0.3)  # connections, threads, caches
    cpu = server.cpu_seconds()
    load = press(ports, requests, clients, seconds)
    load.server_cpu = server.cpu_seconds() - cpu
    return load


def _loop(bare: Bare, clips: Sequence[Clip], seconds: float) -> Load:
    """The encoder and the search alone, one clip after the other."""
    bare.search(bare.embed(clips[:1]))
    load, began, cpu, turn = Load(), time.perf_counter(), time.process_time(), 0
    while (started := time.perf_counter()) < began + seconds:
        bare.search(bare.embed([clips[turn % len(clips)]]))
        load.latencies.append(time.perf_counter() - started)
        turn += 1
    load.seconds, load.server_cpu = time.perf_counter() - began, time.process_time() - cpu
    load.statuses[200] = turn
    return load


def _clips(frames: int, seed: int = 0, count: int = 8) -> list[Clip]:
    rng = np.random.default_rng(seed)
    shape = (count, frames, 1, 64, 64)
    return [
        Clip(frames.astype(np.uint8) * 255, Modality.SILHOUETTE)
        for frames in rng.integers(0, 2, shape)
    ]


def serving_result(
    name: str, clients: int, loads: Sequence[Load], bare: Sequence[Load]
) -> ServingResult:
    """A row from its rounds and those of the bare loop."""
    pairs = list(zip(loads, bare, strict=True))
    statuses: Counter[int] = sum((load.statuses for load in loads), Counter())
    return ServingResult(
        name=name,
        clients=clients,
        p50_ms=_median([load.milliseconds(50) for load in loads]),
        p95_ms=_median([load.milliseconds(95) for load in loads]),
        p99_ms=_median([load.milliseconds(99) for load in loads]),
        clips_per_second=_median([load.rate for load in loads]),
        share=_median([load.rate / alone.rate for load, alone in pairs]),
        extra_ms=_median([load.milliseconds(50) - a.milliseconds(50) for load, a in pairs]),
        cpu_ms=_median([1e3 * load.server_cpu / max(1, load.answered) for load in loads]),
        refused={status: n for status, n in statuses.items() if not 200 <= status < 300},
        client_share=_median([load.cpu / load.seconds for load in loads]),
    )


def results_table(rows: Sequence[ServingResult]) -> str:
    """A line for each row."""
    head = ("", "clients", "p50 ms", "p95", "p99", "clips/s", "of bare", "extra ms",
            "CPU ms", "clients’ core", "refused")  # fmt: skip
    return table(head, [_cells(row) for row in rows])


def _cells(row: ServingResult) -> tuple[object, ...]:
    times = (round(value, 1) for value in (row.p50_ms, row.p95_ms, row.p99_ms))
    refused = ", ".join(f"{n} × {status}" for status, n in row.refused.items()) or "–"
    return (row.name, row.clients, *times, round(row.clips_per_second, 1), f"{row.share:.1%}",
            round(row.extra_ms, 1), round(row.cpu_ms, 1), f"{row.client_share:.0%}",
            refused)  # fmt: skip


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


if __name__ == "__main__":
    run(main)
