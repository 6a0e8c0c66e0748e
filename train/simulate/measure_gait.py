"""Measures how recorded people walk: python -m train.simulate.measure_gait WALKS --out TABLE.npz

The table holds means and principal components, no recording. `python -m train.simulate --gait
statistics --gait-table TABLE.npz` draws people from it.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from gait.cli import run
from gait.errors import MotionFileError
from train.simulate.mocap.stretches import Stretch
from train.simulate.movement.gait_statistics import CHANNELS, HARMONICS, SIZE, GaitStatistics, waves
from train.simulate.movement.motion import PARENTS, SEGMENTS
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.movement.rotation import to_vector

Array = NDArray[np.float64]

MOMENTS = 64
"""Moments of a cycle that its series are fitted to."""

KEPT = 16
"""Components of each kind."""

SHORTEST = 0.5
"""Seconds that no cycle of a walk stays below."""

HALF_LATER = np.tile(
    (-1.0) ** np.array([*range(HARMONICS + 1), *range(1, HARMONICS + 1)]), CHANNELS
)
"""What coefficients are multiplied by when the phase begins half a cycle later."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """Cycles of one walk.

    Args:
        vectors: `(n, SIZE)` as in `gait_statistics`.
        speeds: `(n,)` logarithm of leg lengths a second.
    """

    vectors: Array
    speeds: Array

    def mirrored(self) -> "Cycles":
        """As the walker's mirror image would walk."""
        return Cycles(_mirrored(self.vectors), self.speeds)


def main(walks: tyro.conf.Positional[Path], out: Path, people: tuple[str, ...] = ()) -> None:
    """Measures the walks of a folder or archive.

    Args:
        walks: folder or .tar.gz of ASF/AMC or BVH files.
        out: the table to write.
        people: some of the recorded people; all if not given. Leave those out on whom a model
            that is trained on drawn walkers is tested.
    """
    library = MotionLibrary.open(walks)
    measure(library, people or library.subjects).save(out)


def measure(library: MotionLibrary, people: tuple[str, ...]) -> GaitStatistics:
    """Statistics of some people, each counted alike, with their mirror images.

    Raises:
        MotionFileError: fewer than two people have a whole cycle.
    """
    found = [
        [c for w in library.walks(name) if (c := find_cycles(w)) is not None] for name in people
    ]
    found = [walks for walks in found if walks]
    if len(found) < 2:
        raise MotionFileError(f"{len(found)} people have a whole gait cycle, want two or more")
    found += [[walk.mirrored() for walk in walks] for walks in found]
    reference = float(np.mean([np.mean([w.speeds.mean() for w in walks]) for walks in found]))
    slope = _slope(found)
    cycles, walks, means = [], [], []
    for own in found:
        level = [w.vectors - slope * (w.speeds - reference)[:, None] for w in own]
        average = [vectors.mean(axis=0) for vectors in level]
        means.append(np.mean(average, axis=0))
        cycles += [v - mean for v, mean in zip(level, average, strict=True) if len(v) > 1]
        walks += [average - means[-1]] if len(own) > 1 else []
    mean = np.mean(means, axis=0)
    return GaitStatistics(
        mean,
        slope,
        np.array([reference]),
        _components(np.stack(means) - mean, len(means) - 1),
        _spread(walks),
        _spread(cycles),
    )


def find_cycles(stretch: Stretch) -> Cycles | None:
    """The whole cycles of a walk: from one thigh's passing the other to the next time it does.

    A cycle from the right thigh's passing is one from the left one's, half a cycle later.
    """
    vectors, speeds = [], []
    for ahead in (1, -1):
        starts = _passes(stretch, ahead)
        for start, stop in pairwise(starts):
            if stop - start > SHORTEST * stretch.rate:
                vector, speed = _vector(stretch, start, stop)
                vector[:-1] *= 1.0 if ahead > 0 else HALF_LATER
                vectors.append(vector)
                speeds.append(speed)
    return Cycles(np.stack(vectors), np.array(speeds)) if vectors else None


def _passes(stretch: Stretch, sign: int) -> Array:
    """Frames, between frames, at which the left (or, if −1, right) thigh passes the other one."""
    left, right = (
        (stretch.rotations[:, SEGMENTS.index(f"thigh.{side}")] @ [0, 0, -1])[:, 0] for side in "LR"
    )
    ahead = sign * (left - right - (left - right).mean())
    at = np.flatnonzero((ahead[:-1] < 0) & (ahead[1:] >= 0))
    return np.asarray(at + ahead[at] / (ahead[at] - ahead[at + 1]))


def _vector(stretch: Stretch, start: float, stop: float) -> tuple[Array, float]:
    phase = np.arange(MOMENTS) / MOMENTS
    frames = start + (stop - start) * phase
    rotations = stretch.rotations[np.round(frames).astype(np.intp)]
    local = rotations.copy()
    for index, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, index] = rotations[:, parent].transpose(0, 2, 1) @ rotations[:, index]
    leg = _leg(stretch)
    moments = np.arange(len(stretch.path))
    ends, path = (
        np.stack([np.interp(at, moments, column) for column in stretch.path[:, :2].T], axis=1)
        for at in (np.array([start, stop]), frames)
    )
    path = (path - ends[0] - phase[:, None] * (ends[1] - ends[0])) / leg
    values = np.concatenate([to_vector(local).reshape(MOMENTS, -1), path], axis=1)
    series = np.linalg.lstsq(waves(phase), values, rcond=None)[0].T
    series[-2:, 0] = 0  # the pelvis moves about where it is
    seconds = (stop - start) / stretch.rate
    speed = np.log((ends[1] - ends[0])[0] / seconds / leg)
    return np.append(series.ravel(), -np.log(seconds)), float(speed)


def _leg(stretch: Stretch) -> float:
    parts = [stretch.lengths[f"{part}.{side}"] for part in ("thigh", "shank") for side in "LR"]
    return sum(parts) / 2


def _mirrored(vectors: Array) -> Array:
    """Left and right exchanged, half a cycle later."""
    series = (vectors[:, :-1] * HALF_LATER).reshape(len(vectors), CHANNELS, -1)
    turns = series[:, :-2].reshape(len(vectors), len(SEGMENTS), 3, -1)
    swap = {"L": "R", "R": "L"}
    names = [f"{part}{dot}{swap.get(side, side)}" for part, dot, side in map(_parts, SEGMENTS)]
    turns = turns[:, [SEGMENTS.index(name) for name in names]]
    turns = turns * np.array([-1, 1, -1])[:, None]
    pelvis = series[:, -2:] * np.array([1, -1])[:, None]
    both = np.concatenate([turns.reshape(len(vectors), CHANNELS - 2, -1), pelvis], axis=1)
    return np.concatenate([both.reshape(len(vectors), SIZE - 1), vectors[:, -1:]], axis=1)


def _parts(name: str) -> tuple[str, str, str]:
    return name.partition(".")


def _slope(found: list[list[Cycles]]) -> Array:
    """Change with speed within people, so that no one's own way counts as an effect of speed."""
    across, along = np.zeros(SIZE), 0.0
    for own in found:
        speeds = np.array([w.speeds.mean() for w in own])
        vectors = np.stack([w.vectors.mean(axis=0) for w in own])
        across += (speeds - speeds.mean()) @ (vectors - vectors.mean(axis=0))
        along += float(((speeds - speeds.mean()) ** 2).sum())
    return across / max(along, 1e-9)


def _spread(groups: list[Array]) -> Array:
    """Components of deviations from the means of their groups."""
    if not groups:
        return np.zeros((0, SIZE))
    return _components(np.concatenate(groups), sum(len(g) for g in groups) - len(groups))


def _components(deviations: Array, freedom: int) -> Array:
    """Principal axes of rows, each as long as its standard deviation."""
    _, sizes, axes = np.linalg.svd(deviations / np.sqrt(freedom), full_matrices=False)
    kept = sizes > 1e-6 * sizes[0]
    return np.asarray((sizes[:, None] * axes)[kept][:KEPT])


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m train.simulate.measure_gait", description=__doc__))
