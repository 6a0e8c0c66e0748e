"""Speed and memory of simulated walkers: `python -m bench.simulate`.

Simulates a small and a larger dataset from nothing with the built-in gait curves, all conditions
and views, and compares: frames a second must reach the target, and memory must not grow with the
number of subjects. A child process does the work, so that its processes' peak is its own.
"""

import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import tyro

from bench.measuring.options import Json
from bench.measuring.process_memory import in_child
from gait.cli import run
from gait.sustech1k import find_sequences, load_silhouettes
from train.simulate.config import SimulateConfig
from train.simulate.run import simulate
from train.simulate.studio import open_studio

TARGET_RATE = 300.0


@dataclass(frozen=True)
class Measured:
    """What one dataset took. Frames are pairs: a silhouette and a range view of one moment."""

    subjects: int
    sequences: int
    frames: int
    workers: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    pictures_kb: float
    points_kb: float

    @property
    def rate(self) -> float:
        """Paired frames a second."""
        return self.frames / self.seconds


def main(
    subjects: tuple[int, int] = (4, 16),
    workers: int = 2,
    body: Literal["anny", "capsules"] = "anny",
    as_json: Json = False,
) -> None:
    """Measures two sizes.

    Args:
        subjects: of the small and of the larger dataset.
        workers: processes.
        body: as for `python -m train.simulate`.
    """
    open_studio(SimulateConfig(body=body))  # a first build is not what is measured
    rows = [
        in_child(measure, SimulateConfig(subjects=count, body=body), workers) for count in subjects
    ]
    if as_json:
        print(json.dumps([asdict(row) | {"rate": row.rate} for row in rows], indent=2))
        return
    for row in rows:
        print(
            f"{row.subjects} subjects, {row.sequences} sequences, {row.frames} paired frames: "
            f"{row.rate:.0f} frames/s with {row.workers} workers (target {TARGET_RATE:.0f}), "
            f"{row.frames / row.cpu_seconds:.0f} frames per second of CPU, "
            f"{row.peak_mb:.0f} MB in the largest process, "
            f"{row.pictures_kb:.1f} kB pictures and {row.points_kb:.1f} kB points a frame"
        )


def measure(config: SimulateConfig, workers: int) -> Measured:
    """Simulates one dataset into a temporary folder and removes it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "walkers"
        before = time.perf_counter()
        simulate(config, out, workers)
        seconds = time.perf_counter() - before
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        sequences = find_sequences(out)
        frames = sum(len(load_silhouettes(sequence)) for sequence in sequences)
        sizes = {kind: _bytes(out, kind) / frames / 1000 for kind in ("08", "09", "14")}
    return Measured(
        subjects=len(config.subject_names),
        sequences=len(sequences),
        frames=frames,
        workers=workers,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        pictures_kb=sizes["09"] + sizes["14"],
        points_kb=sizes["08"],
    )


def _bytes(root: Path, kind: str) -> int:
    return sum(path.stat().st_size for path in root.rglob(f"{kind}-*.pkl"))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.simulate"))
