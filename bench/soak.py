"""The service's memory under mixed traffic: does it grow?"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from bench.service import ServiceClient, ServiceError, clip_file
from gait.clip import Clip
from gait.modality import Modality

_WARM = 0.2
"""Share of the time in which memory may still rise: caches, threads, arenas."""


@dataclass(frozen=True)
class Sample:
    """Resident memory, in MiB, after some requests."""

    second: float
    requests: int
    mib: float


def soak(service: ServiceClient, minutes: float, pause: float = 0.0) -> dict[str, Any]:
    """Mixed traffic: clips of both modalities and many lengths searched, enrolled and erased.

    Args:
        service: with a gallery `default` that is not empty.
        minutes: of traffic.
        pause: seconds between requests.

    Returns:
        `samples`, and `growth`, MiB from the end of the warm-up to the end, each the median of a
        tenth of the samples.
    """
    rng, done = np.random.default_rng(0), 0
    samples: list[Sample] = []
    began = time.monotonic()
    with httpx2.Client(base_url=service.url, timeout=60) as http:
        while (second := time.monotonic() - began) < 60 * minutes:
            done += _one(http, rng, done)
            if not samples or second - samples[-1].second >= minutes * 60 / 200:
                samples.append(Sample(second, done, resident_mib(service.process)))
            time.sleep(pause)
    tenth = max(1, len(samples) // 10)
    start = int(_WARM * len(samples))
    early = float(np.median([each.mib for each in samples[start : start + tenth]]))
    late = float(np.median([each.mib for each in samples[-tenth:]]))
    return {
        "minutes": minutes, "requests": done, "early_mib": early, "late_mib": late,
        "growth_mib": late - early, "samples": [asdict(each) for each in samples],
    }  # fmt: skip


def memory_text(memory: dict[str, Any]) -> str:
    """The outcome in a line."""
    return (
        f"\n{memory['requests']} mixed requests in {memory['minutes']:g} minutes: resident "
        f"{memory['early_mib']:.0f} MiB after warm-up, {memory['late_mib']:.0f} MiB at the end\n"
    )


def resident_mib(process: int) -> float:
    """Resident memory of a process of this machine."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ServiceError(f"process {process} has ended")


def _one(http: httpx2.Client, rng: np.random.Generator, number: int) -> int:
    """One request, or for an enrolment two; how many they were."""
    modality = list(Modality)[int(rng.integers(2))]
    shape = (int(rng.integers(3, 60)), modality.channels, 64, 64)
    clip = clip_file(Clip(rng.integers(0, 256, shape).astype(np.uint8), modality))
    fields = {"modality": str(modality)}
    if number % 8:
        sent = {"clip": ("clip.npy", clip)}
        _checked(http.post("/v1/identify", files=sent, data=fields | {"purpose": "soak"}))
        return 1
    path = f"/v1/galleries/default/subjects/soak{number % 50}"
    fields |= {"authorisation": "none: random pixels", "expires": "2999-01-01"}
    _checked(http.post(f"{path}/templates", files={"clips": ("clip.npy", clip)}, data=fields))
    _checked(http.delete(path))
    return 2


def _checked(reply: httpx2.Response) -> None:
    if not reply.is_success:
        raise ServiceError(f"{reply.url} answered {reply.status_code}: {reply.text[:300]}")
