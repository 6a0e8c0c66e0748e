"""Time and memory of the SUSTech1K protocol at full size: `python -m bench.evaluate`.

Random embeddings of 19,228 walks in both modalities: 800 people, 12 views, one gallery walk in
each view and 9,628 probes over all conditions. A child process does the work, so that its peak
memory is its own; it includes the embeddings themselves (630 MB).
"""

import json
import time
from dataclasses import asdict, dataclass

import numpy as np
import tyro

from bench.measuring.options import Json
from bench.measuring.process_memory import in_child, peak_bytes
from gait.cli import run
from train.evaluate import Labels, evaluate_sustech1k
from train.protocols.outcomes import cores

VIEWS = (
    "000", "000-far", "045", "090", "090-near", "135",
    "180", "180-far", "225", "270", "270-far", "315",
)  # fmt: skip
TYPES = (
    "01-nm", "01-bg", "01-cl", "01-cr", "01-ub", "02-uf", "02-oc", "03-nt", "01-cr-uf", "04-nt-oc",
)  # fmt: skip
TARGET_SECONDS = 60.0
TARGET_GB = 6.0


@dataclass(frozen=True)
class Measured:
    """What one evaluation took."""

    clips: int
    probes: int
    numbers: int
    bootstrap: int
    cores: int
    seconds: float
    cpu_seconds: float
    peak_gb: float
    target_seconds: float = TARGET_SECONDS
    target_gb: float = TARGET_GB


def main(
    subjects: int = 800,
    probes: int = 9628,
    parts: int = 16,
    dimensions: int = 256,
    bootstrap: int = 1000,
    as_json: Json = False,
) -> None:
    """Measures one evaluation: four directions, both distances, nine conditions.

    Args:
        subjects: people; each has a gallery walk in each of 12 views.
        probes: further walks.
        parts: parts of an embedding.
        dimensions: numbers of a part.
        bootstrap: resamples of people.
    """
    measured = in_child(measure, subjects, probes, parts, dimensions, bootstrap)
    if as_json:
        print(json.dumps(asdict(measured), indent=2))
        return
    print(
        f"{measured.clips} clips × {measured.numbers} numbers × 2 modalities, "
        f"{measured.probes} probes, {measured.bootstrap} resamples, {measured.cores} cores"
    )
    print(f"time         {measured.seconds:6.1f} s   target {TARGET_SECONDS:.0f}")
    print(f"CPU time     {measured.cpu_seconds:6.1f} s   over all cores")
    print(f"peak memory  {measured.peak_gb:6.2f} GB  target {TARGET_GB:.0f}")


def measure(subjects: int, probes: int, parts: int, dimensions: int, bootstrap: int) -> Measured:
    """Evaluates random embeddings in this process."""
    labels = random_labels(subjects, probes)
    rng = np.random.default_rng(0)
    shape = (len(labels), parts, dimensions)
    silhouette = rng.standard_normal(shape, dtype=np.float32)
    range_view = rng.standard_normal(shape, dtype=np.float32)
    start, cpu = time.perf_counter(), time.process_time()
    evaluate_sustech1k(silhouette, range_view, labels, bootstrap=bootstrap)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return Measured(
        clips=len(labels),
        probes=probes,
        numbers=parts * dimensions,
        bootstrap=bootstrap,
        cores=cores(),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_gb=peak_bytes() / 1e9,
    )


def random_labels(subjects: int, probes: int) -> Labels:
    """A gallery walk of each person in each view, and probes drawn over people, types and views."""
    rng = np.random.default_rng(1)
    gallery = subjects * len(VIEWS)
    people = [*np.repeat(np.arange(subjects), len(VIEWS)), *rng.integers(0, subjects, probes)]
    types = [*["00-nm"] * gallery, *rng.choice(TYPES, probes)]
    views = [*np.tile(VIEWS, subjects), *rng.choice(VIEWS, probes)]
    return Labels(np.array([f"{p:04d}" for p in people]), np.array(types), np.array(views))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.evaluate"))
