"""The service's memory under mixed traffic: does it grow?"""

import time
from collections import Counter
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import numpy as np

from bench.measuring.process_memory import resident_mib
from bench.serving.service_process import SUBJECTS, ServiceClient, clip_file
from gait.clip import Clip
from gait.modality import Modality

_WARM = 0.2
"""Share of the time in which memory may still rise: caches, threads, arenas."""


_KINDS = ("enrol", "identify", "verify", "identify", "damaged", "identify", "list", "identify")
"""Requests, in turn. An enrolment is erased again; a damaged file is cut in half."""


@dataclass(frozen=True)
class MemorySample:
    """Resident memory, in MiB, after some requests."""

    second: float
    requests: int
    mib: float


def soak(service: ServiceClient, minutes: float) -> dict[str, Any]:
    """Mixed traffic: the requests of `_KINDS` in turn, clips of both modalities and many lengths.

    Args:
        service: with a gallery `default` that is not empty.
        minutes: of traffic.

    Returns:
        `kinds`, how many requests of each; `samples`; `growth_mib`, from the end of the warm-up to
        the end, each the median of a tenth of the samples; and that for 1,000 requests.
    """
    rng, done = np.random.default_rng(0), Counter[str]()
    samples: list[MemorySample] = []
    began = time.monotonic()
    while (second := time.monotonic() - began) < 60 * minutes:
        _one(service, rng, done)
        if not samples or second - samples[-1].second >= minutes * 60 / 200:
            samples.append(MemorySample(second, done.total(), resident_mib(service.process)))
    tenth = max(1, len(samples) // 10)
    start = int(_WARM * len(samples))
    first, last = samples[start : start + tenth], samples[-tenth:]
    early, late = (float(np.median([each.mib for each in part])) for part in (first, last))
    between = float(np.median([s.requests for s in last]) - np.median([s.requests for s in first]))
    return {
        "minutes": minutes, "requests": done.total(), "kinds": dict(done), "early_mib": early,
        "late_mib": late, "growth_mib": late - early,
        "growth_mib_per_1000": 1000 * (late - early) / max(between, 1.0),
        "samples": [asdict(each) for each in samples],
    }  # fmt: skip


def memory_text(memory: dict[str, Any]) -> str:
    """The outcome in a line."""
    kinds = ", ".join(f"{count} × {kind}" for kind, count in memory["kinds"].items())
    grown = f"{memory['growth_mib_per_1000']:+.2f} MiB for 1,000 requests"
    return (
        f"\n{memory['requests']} mixed requests in {memory['minutes']:g} minutes ({kinds}): "
        f"resident {memory['early_mib']:.1f} MiB after warm-up, {memory['late_mib']:.1f} MiB at "
        f"the end, {grown}\n"
    )


def _one(service: ServiceClient, rng: np.random.Generator, done: Counter[str]) -> None:
    """The next request, or for an enrolment two."""
    modality = list(Modality)[int(rng.integers(2))]
    shape = (int(rng.integers(3, 60)), modality.channels, 64, 64)
    clip = clip_file(Clip(rng.integers(0, 256, shape).astype(np.uint8), modality))
    kind = _KINDS[done.total() % len(_KINDS)]
    fields = {"modality": str(modality), "purpose": "soak"}
    if kind == "enrol":
        subject = f"soak{done.total() % 50}"
        service.enrol(subject, clip, modality)
        service.send("DELETE", f"{SUBJECTS}/{subject}")
        done["erase"] += 1
    elif kind == "list":
        service.send("GET", SUBJECTS)
    elif kind == "verify":
        service.send("POST", "/v1/verify", {"clip": clip, "other": clip}, fields)
    elif kind == "identify":
        service.send("POST", "/v1/identify", {"clip": clip}, fields)
    else:
        half = {"clip": clip[: len(clip) // 2]}
        service.send("POST", "/v1/identify", half, fields, HTTPStatus.UNPROCESSABLE_ENTITY)
    done[kind] += 1
