"""Walkers drawn from the joint-angle statistics of recorded people.

A gait cycle is a vector: for each segment the Fourier coefficients of its turn against the segment
it hangs on (as a rotation vector), those of the pelvis's movement, and the logarithm of the
cadence. Vectors are

    x = mean + slope · (log u − log u₀) + z_p P + z_w W + z_c C

with `u` the speed in leg lengths a second, and independent standard normal `z`: of the person, of
the walk and of the single cycle. The rows of `P`, `W` and `C` are principal components, each as
long as its standard deviation. `gait_statistics.npz` holds what `measure_gait` found in walks of
eleven people (mocap.cs.cmu.edu); no recording can be had from it.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as DeflateError

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from gait.errors import MotionFileError
from train.simulate.movement.motion import PARENTS, SEGMENTS, Motion
from train.simulate.movement.rotation import from_vector

Array = NDArray[np.float64]

HARMONICS = 6
TURNS = 3 * len(SEGMENTS)
CHANNELS = TURNS + 2
"""Rotation vectors of all segments, then the pelvis's x and y in leg lengths."""

SIZE = CHANNELS * (2 * HARMONICS + 1) + 1
"""Of a cycle's vector: mean, cosines and sines of each channel, then the log of the cadence."""

SPEEDS = (0.7, 2.0)
"""m/s between which people walk."""

USUAL_SPEED = (1.3, 0.22)
"""Mean and standard deviation of people's own speed, m/s."""

VARYING_SPEED = 0.12
"""Standard deviation of the speeds of one person's walks, m/s."""

STRAIGHT = np.radians(1.0)
"""Flexion of a straight knee or elbow."""

LARGEST = 4.0
"""Of any number in a table: radians, leg lengths, or logarithms of a cadence."""

_MEANS = ("mean", "slope")
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RuntimeError, BadZipFile,
    DeflateError,
)  # fmt: skip
"""What numpy and zipfile raise of damaged, encrypted or other files."""

WIDEST = 2.5
"""Standard deviations beyond which nobody is drawn."""


@dataclass(frozen=True, eq=False)
class GaitStatistics:
    """What recorded cycles have in common and how they differ.

    Args:
        mean: `(SIZE,)` at the speed `u₀`.
        slope: `(SIZE,)` change with the logarithm of the speed.
        log_speed: `(1,)` log u₀.
        people: `(k, SIZE)` components of people's own means.
        walks: `(k, SIZE)` of one person's walks.
        cycles: `(k, SIZE)` of one walk's cycles.
    """

    mean: Array
    slope: Array
    log_speed: Array
    people: Array
    walks: Array
    cycles: Array

    def save(self, path: Path) -> None:
        """Writes all arrays to one `.npz`, as half floats."""
        halves = {f.name: np.asarray(getattr(self, f.name), np.float16) for f in fields(self)}
        np.savez_compressed(path, **halves)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "GaitStatistics":
        """Reads what `save` wrote.

        Raises:
            MotionFileError: there is no such file, it is damaged, or it is no such table.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                if not isinstance(arrays, NpzFile):
                    raise ValueError("one array and no table")
                found = {f.name: arrays[f.name] for f in fields(cls)}
        except _UNREADABLE as error:
            raise MotionFileError(
                f"{path} cannot be read as a table of gait: {str(error) or type(error).__name__}; "
                "python -m train.simulate.measure_gait makes one",
                file=path.name,
            ) from error
        for name, values in found.items():
            axes, last = (1, 1) if name == "log_speed" else (1 if name in _MEANS else 2, SIZE)
            fits = values.dtype.kind == "f" and values.ndim == axes and values.shape[-1] == last
            if not fits or not np.all(np.abs(values) <= LARGEST):
                raise MotionFileError(
                    f"{path}: got {name} as {values.dtype} of shape {values.shape}, need floats of "
                    f"at most {LARGEST:g}, {'k × ' * (axes - 1)}{last} of them",
                    file=path.name,
                )
        return cls(**{name: values.astype(np.float64) for name, values in found.items()})


@dataclass(frozen=True, eq=False)
class Gait:
    """How one person walks.

    Args:
        own: `(SIZE,)` what is added to the mean.
        speed: the person's usual, m/s.
    """

    own: Array
    speed: float


@lru_cache(maxsize=1)
def gait_statistics() -> GaitStatistics:
    """Those that come with the package."""
    return GaitStatistics.load(Path(__file__).with_suffix(".npz"))


def sample_gait(statistics: GaitStatistics, rng: np.random.Generator) -> Gait:
    """Draws a person."""
    speed = float(np.clip(rng.normal(*USUAL_SPEED), *SPEEDS))
    return Gait(_drawn(statistics.people, rng), speed)


def walk_like(
    gait: Gait,
    statistics: GaitStatistics,
    rng: np.random.Generator,
    *,
    frames: int,
    rate: float,
    leg_length: float,
) -> Motion:
    """One walk of a person, from any moment of a cycle, no cycle like the one before.

    Args:
        gait: whose walk.
        statistics: what the person was drawn from.
        rng: of this walk, independent of the person.
        frames: number of frames.
        rate: frames a second.
        leg_length: hip to ankle, metres.
    """
    speed = float(np.clip(rng.normal(gait.speed, VARYING_SPEED), *SPEEDS))
    faster = np.log(speed / leg_length) - statistics.log_speed[0]
    base = statistics.mean + statistics.slope * faster + gait.own + _drawn(statistics.walks, rng)
    cadence = float(np.exp(base[-1]))
    phase = np.asarray(rng.random() + cadence / rate * np.arange(frames), np.float64)
    knots = np.stack([_drawn(statistics.cycles, rng) for _ in range(int(phase[-1]) + 3)])
    before = phase.astype(np.intp)
    share = (phase - before)[:, None]
    cycles = base + knots[before] * (1 - share) + knots[before + 1] * share
    values = evaluate(cycles[:, :-1].reshape(frames, CHANNELS, -1), phase)
    turns = _within_joints(values[:, :TURNS].reshape(frames, -1, 3))
    pelvis = np.zeros((frames, 3))
    pelvis[:, :2] = values[:, TURNS:] * leg_length
    pelvis -= pelvis.mean(axis=0)
    return Motion(rate, joined(turns), pelvis, speed, {})


def evaluate(coefficients: Array, phase: Array) -> Array:
    """`a_0 + Σ_k a_k cos 2πkφ + b_k sin 2πkφ`.

    Args:
        coefficients: `(t, c, 2 HARMONICS + 1)`: mean, cosines, sines.
        phase: `(t,)` cycles.

    Returns:
        `(t, c)`.
    """
    return np.asarray(np.einsum("tck,tk->tc", coefficients, waves(phase)))


def waves(phase: Array) -> Array:
    """`(t, 2 HARMONICS + 1)`: one, cosines and sines at a phase in cycles."""
    angle = 2 * np.pi * phase[:, None] * np.arange(1, HARMONICS + 1)
    return np.concatenate([np.ones((len(phase), 1)), np.cos(angle), np.sin(angle)], axis=1)


def joined(vectors: Array) -> Array:
    """World rotations `(t, 21, 3, 3)` from turns `(t, 21, 3)` against the parents."""
    world = from_vector(vectors)
    for index, parent in enumerate(PARENTS):
        if parent >= 0:
            world[:, index] = world[:, parent] @ world[:, index]
    return world


def _within_joints(turns: Array) -> Array:
    """Knees bend backwards and elbows forwards only: normal distributions know no bones."""
    for side in "LR":
        knee, elbow = SEGMENTS.index(f"shank.{side}"), SEGMENTS.index(f"forearm.{side}")
        turns[:, knee, 1] = np.maximum(turns[:, knee, 1], STRAIGHT)
        turns[:, elbow, 1] = np.minimum(turns[:, elbow, 1], -STRAIGHT)
    return turns


def _drawn(components: Array, rng: np.random.Generator) -> Array:
    weights = np.clip(rng.standard_normal(len(components)), -WIDEST, WIDEST)
    return np.asarray(weights @ components)
