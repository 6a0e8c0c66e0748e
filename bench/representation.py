"""Frames per second of both representations on one core: `python -m bench.representation`.

The walkers are moving ellipses and ellipsoids, not people: the work per frame depends on the
picture size and the number of points alone. The quickest clip counts.
"""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import tyro
from numpy.typing import NDArray

from bench.measuring.clock import quickest
from bench.measuring.options import Json
from gait.cli import run
from gait.range_view import project
from gait.silhouette import align
from gallery.command_line.table import table

TARGET = 1000.0
"""Frames per second promised for each representation on one core."""

SIZES = ((64, 64), (240, 320), (480, 640))
DISTANCES = (5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Speed:
    """Speed of one representation on one kind of input."""

    representation: str
    input: str
    frames_per_second: float
    times_target: float


def main(
    frames: int = 300,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Measures silhouette alignment and range-view projection.

    Args:
        frames: frames of each clip.
        seed: of the synthetic input.
    """
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(seed)
    rows = [
        *(_silhouettes(frames, height, width, rng) for height, width in SIZES),
        *(_range_views(frames, distance, rng) for distance in DISTANCES),
    ]
    if as_json:
        machine = platform.processor() or platform.machine()
        facts = {"machine": machine, "cores": 1, "target": TARGET}
        print(json.dumps(facts | {"rows": [asdict(row) for row in rows]}, indent=2))
        return
    cells = [
        (r.representation, r.input, round(r.frames_per_second), round(r.times_target, 1))
        for r in rows
    ]
    print(table(("representation", "input", "frames/s", "× target"), cells))


def _silhouettes(frames: int, height: int, width: int, rng: np.random.Generator) -> Speed:
    masks = np.zeros((frames, height, width), dtype=np.uint8)
    for mask, x in zip(masks, rng.integers(width // 3, 2 * width // 3, frames), strict=True):
        axes = (height // 8, int(height * 0.45))
        cv2.ellipse(mask, (int(x), height // 2), axes, 0, 0, 360, 255, -1)
    return _row("silhouette", f"{height}×{width}", frames, lambda: align(masks))


def _range_views(frames: int, distance: float, rng: np.random.Generator) -> Speed:
    clouds = [_person(distance, rng) for _ in range(frames)]
    name = f"{len(clouds[0])} points, {distance:.0f} m"
    return _row("range_view", name, frames, lambda: project(clouds))


def _person(distance: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """As many returns as a 0.5 m × 1.75 m body gives on a 0.2° grid, ahead along −x."""
    count = round(np.degrees(0.5 / distance) * np.degrees(1.75 / distance) / 0.2**2)
    angle = rng.uniform(-np.pi / 2, np.pi / 2, count)
    height = rng.uniform(-1.2, 0.55, count)
    return np.stack([0.25 * np.cos(angle) - distance, 0.25 * np.sin(angle), height], axis=1)


def _row(representation: str, name: str, frames: int, work: Callable[[], object]) -> Speed:
    seconds = quickest(work, 1.0)
    return Speed(representation, name, frames / seconds, frames / seconds / TARGET)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.representation"))
