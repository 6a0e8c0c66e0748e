"""Time and memory of the SUSTech1K protocol at full size: `python -m bench.evaluate`.

Random embeddings of 19,228 walks in both modalities: 800 people, 12 views, one gallery walk in
each view and 9,628 probes over all conditions. A child process does the work, so that its peak
memory is its own; it includes the embeddings themselves (630 MB).
"""

import json
import time

import numpy as np
import tyro

from bench.measuring.options import Json
from bench.measuring.process_memory import in_child, peak_bytes
from gait.cli import run
from train.protocols.outcomes import cores
from train.protocols.sustech1k import Labels, evaluate_sustech1k

VIEWS = (
    "000", "000-far", "045", "090", "090-near", "135",
    "180", "180-far", "225", "270", "270-far", "315",
)  # fmt: skip
TYPES = (
    "01-nm", "01-bg", "01-cl", "01-cr", "01-ub", "02-uf", "02-oc", "03-nt", "01-cr-uf", "04-nt-oc",
)  # fmt: skip
TARGET_SECONDS = 60.0
TARGET_GB = 6.0


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
    cost = in_child(evaluation_cost, subjects, probes, parts, dimensions, bootstrap)
    if as_json:
        print(json.dumps(cost, indent=2))
        return
    print(
        f"{cost['clips']} clips × {cost['numbers']} numbers × 2 modalities, "
        f"{cost['probes']} probes, {cost['bootstrap']} resamples, {cost['cores']} cores"
    )
    print(f"time         {cost['seconds']:6.1f} s   target {TARGET_SECONDS:.0f}")
    print(f"CPU time     {cost['cpu_seconds']:6.1f} s   over all cores")
    print(f"peak memory  {cost['peak_gb']:6.2f} GB  target {TARGET_GB:.0f}")


def evaluation_cost(
    subjects: int, probes: int, parts: int, dimensions: int, bootstrap: int
) -> dict[str, float]:
    """What evaluating random embeddings in this process takes, and of how many."""
    labels = random_labels(subjects, probes)
    rng = np.random.default_rng(0)
    shape = (len(labels), parts, dimensions)
    silhouette = rng.standard_normal(shape, dtype=np.float32)
    range_view = rng.standard_normal(shape, dtype=np.float32)
    start, cpu = time.perf_counter(), time.process_time()
    evaluate_sustech1k(silhouette, range_view, labels, bootstrap=bootstrap)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_gb": peak_bytes() / 1e9,
        "clips": len(labels),
        "probes": probes,
        "numbers": parts * dimensions,
        "bootstrap": bootstrap,
        "cores": cores(),
        "target_seconds": TARGET_SECONDS,
        "target_gb": TARGET_GB,
    }


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
