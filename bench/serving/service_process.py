"""The service as a process of its own, and one request to it, for programs that measure it."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from gait.clip import Clip
from gait.errors import GaitError
from gait.modality import Modality
from serve.settings import Settings

SUBJECTS = "/v1/galleries/default/subjects"
ANYTHING = {"DIFFCROSSGAIT_QUALITY_SEARCH": "off", "DIFFCROSSGAIT_QUALITY_ENROL": "off"}
"""Settings of a service that takes clips that show nobody."""
READY_WITHIN = 60.0
"""Seconds in which a service must have warmed its model."""


class ServiceError(GaitError):
    """The service did not start, or refused a request."""

    code = "bench.service"


@dataclass(frozen=True)
class Candidates:
    """What `POST /v1/identify` answered, and how long it took as seen from here.

    Args:
        subjects: candidates, the most similar first.
        templates: ids of their best templates.
        milliseconds: stage → ms, from the reply; `request` is the whole round trip.
    """

    subjects: list[str]
    templates: list[int]
    milliseconds: dict[str, float]


class ServiceClient:
    """Talks to a running service.

    Args:
        url: such as `http://127.0.0.1:8000`.
        process: its id, on this machine.
        token: access key that is sent with each request; None for none.
    """

    def __init__(self, url: str, process: int, token: str | None = None) -> None:
        self.url, self.process = url, process
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=url, timeout=60, headers=self.headers)

    @property
    def port(self) -> int:
        """TCP port."""
        return int(self.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        """Processor time so far, with that of the processes that it started."""
        return sum(map(self._cpu_of, Path("/proc").glob("[0-9]*")))

    def _cpu_of(self, path: Path) -> float:
        """Of one process of the service, and of those that it started and that have ended."""
        try:
            fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            return 0.0
        ticks = sum(map(int, fields[11:15])) if int(fields[3]) == self.process else 0
        return ticks / os.sysconf("SC_CLK_TCK")

    def ready(self) -> bool:
        """Whether the model is warm and the index current."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def identify(self, clip: bytes, modality: Modality, top_k: int) -> Candidates:
        """Sends a clip file and waits for the candidates."""
        fields = {"modality": str(modality), "top_k": str(top_k), "purpose": "benchmark"}
        fields["all_candidates"] = "true"  # whatever the decision is
        start = time.perf_counter()
        body = self.send("POST", "/v1/identify", {"clip": clip}, fields)
        took = 1000 * (time.perf_counter() - start)
        candidates = body["candidates"]
        return Candidates(
            [c["subject"] for c in candidates],
            [c["template"] for c in candidates],
            body["timings_ms"] | {"request": took},
        )

    def sources(self, subject: str) -> dict[int, str]:
        """Where each template of a subject came from, by template id."""
        body = self.send("GET", f"{SUBJECTS}/{subject}")
        return {t["template"]: t["source"] for t in body["templates"]}

    def enrol(self, subject: str, clip: bytes, modality: Modality) -> None:
        """Enrols one clip of random pixels."""
        fields = {"modality": str(modality), "authorisation": "none: random pixels"}
        fields |= {"expires": "2999-01-01"}
        self.send("POST", f"{SUBJECTS}/{subject}/templates", {"clips": clip}, fields)

    def send(
        self,
        method: str,
        path: str,
        files: Mapping[str, bytes] | None = None,
        fields: Mapping[str, str] | None = None,
        refused: int | None = None,
    ) -> Any:
        """Sends a request.

        Args:
            method, path: of it.
            files, fields: of a multipart form.
            refused: the status of the refusal that is expected; if None, success is.

        Returns:
            The reply's JSON; None if it is empty.

        Raises:
            ServiceError: another status came back.
        """
        sent = {name: (f"{name}.npy", data) for name, data in (files or {}).items()}
        reply = self._http.request(method, path, files=sent or None, data=dict(fields or {}))
        if reply.status_code != refused and (refused or not reply.is_success):
            raise ServiceError(f"{reply.url} answered {reply.status_code}: {reply.text[:300]}")
        return reply.json() if reply.content else None

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()


@dataclass(frozen=True)
class Served:
    """What clients of one or several services need, as if they were one.

    Args:
        services: that share their galleries and keys.
    """

    services: Sequence[ServiceClient]

    @property
    def ports(self) -> list[int]:
        """TCP ports."""
        return [service.port for service in self.services]

    @property
    def headers(self) -> dict[str, str]:
        """Of each request."""
        return self.services[0].headers

    def cpu_seconds(self) -> float:
        """Processor time of all of them so far."""
        return sum(service.cpu_seconds() for service in self.services)


@contextmanager
def running_service(
    bundle: Path,
    data: Path,
    log: Path,
    settings: Mapping[str, str] | None = None,
    token: str | None = None,
) -> Iterator[ServiceClient]:
    """Starts `python -m serve.run` on a free loopback port and stops it at the end of the block.

    Args:
        bundle: model bundle.
        data: data folder, made if there is none.
        log: file for what it says.
        settings: further environment.
        token: access key of the requests, if it takes keys.

    Raises:
        ServiceError: it ended, or was not ready in time; the message has its last words.
    """
    command = ["serve.run", "--bundle", str(bundle), "--data", str(data)]
    with running(command, log, settings, token) as served:
        yield served


@contextmanager
def running(
    module: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    token: str | None = None,
) -> Iterator[ServiceClient]:
    """Runs `python -m` with `--port` of a free loopback port, once `/readyz` answers 200.

    Raises:
        ServiceError: it ended, or was not ready in time; the message has its last words.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_without_settings() | dict(environment or {}),
            start_new_session=True,
        )
    client = ServiceClient(f"http://127.0.0.1:{port}", process.pid, token)
    try:
        _await_ready(client, process, log)
        yield client
    finally:
        client.close()
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            with suppress(ProcessLookupError):  # what it started and left behind
                os.killpg(process.pid, signal.SIGKILL)


def _without_settings() -> dict[str, str]:
    """This process's environment, without the settings of the service of whoever runs it: their
    galleries must not be filled, and figures not depend on them. The master key stays."""
    prefix = str(Settings.model_config["env_prefix"])
    settings = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    return {name: x for name, x in os.environ.items() if name.upper() not in settings}


def _await_ready(client: ServiceClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not client.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = " ".join(log.read_text(errors="replace").split()[-40:])
            raise ServiceError(f"the service did not get ready: {last}")
        time.sleep(0.1)


def clip_file(clip: Clip) -> bytes:
    """A clip as the `.npy` file that a client would send."""
    buffer = io.BytesIO()
    np.save(buffer, clip.frames, allow_pickle=False)
    return buffer.getvalue()
