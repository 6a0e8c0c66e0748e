"""The parts of a recording in which somebody walks ahead, with their heading taken out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.simulate.mocap.retarget import Track
from train.simulate.movement.motion import Motion
from train.simulate.movement.rotation import about, nearest

Array = NDArray[np.float64]

SMOOTHING = 0.5
"""Seconds (σ) over which the direction of walking is taken: the sway of a stride averages out."""

SLOWEST = 0.5
"""m/s below which somebody stands, starts or turns on the spot."""

SHARPEST = np.radians(55.0)
"""Turning in rad/s above which a stretch ends. Slow walkers round a curve of 1 m stay below it."""


@dataclass(frozen=True)
class Stretch:
    """A part of a recording along +x: wherever it went, it heads to +x in every frame.

    Args:
        rate: frames a second as recorded, Hz.
        rotations: `(t, 21, 3, 3)` as in `Motion`.
        path: `(t, 3)` metres, the root along the straightened way.
        lengths: metres of the segments.
    """

    rate: float
    rotations: Array
    path: Array
    lengths: dict[str, float]

    @property
    def seconds(self) -> float:
        return (len(self.path) - 1) / self.rate

    def halves(self) -> tuple["Stretch", "Stretch"]:
        """Two stretches that share no frame."""
        middle = len(self.path) // 2
        return self._part(0, middle), self._part(middle, len(self.path))

    def _part(self, start: int, stop: int) -> "Stretch":
        part = slice(start, stop)
        return Stretch(self.rate, self.rotations[part], self.path[part], self.lengths)


def find_stretches(track: Track, seconds: float) -> list[Stretch]:
    """Cuts a recording where somebody stands or turns, and straightens what is left.

    The direction of walking is that of the root's smoothed movement. A stretch has it change by
    less than `SHARPEST` at more than `SLOWEST`; it is turned out of every frame, so that a slow
    curve becomes a straight walk too.

    Args:
        track: the recording.
        seconds: the shortest stretch kept.

    Returns:
        Stretches in their order, perhaps none.
    """
    if len(track.root) < 2 + seconds * track.rate:
        return []
    velocity = np.gradient(_smooth(track.root[:, :2], SMOOTHING * track.rate), axis=0) * track.rate
    heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
    turning = np.gradient(heading) * track.rate
    walking = (np.hypot(*velocity.T) >= SLOWEST) & (np.abs(turning) <= SHARPEST)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], walking, [False]])))
    spans = [slice(start, stop) for start, stop in edges.reshape(-1, 2)]
    return [
        _straighten(track, span, heading[span])
        for span in spans
        if span.stop - span.start > seconds * track.rate
    ]


def sample(stretch: Stretch, rate: float, frames: int, start: float) -> Motion:
    """A walk at another rate, from any moment of a stretch.

    Between two recorded frames each segment turns along the shortest way; a moment that was
    recorded is returned as it was.

    Args:
        stretch: where from.
        rate: frames a second wanted, Hz.
        frames: how many.
        start: seconds into the stretch; `start + (frames - 1) / rate` at most its length.
    """
    moments = np.clip((start + np.arange(frames) / rate) * stretch.rate, 0, len(stretch.path) - 1)
    # Recorded moments come out of the arithmetic as 11.999…: they are exact to the nanosecond.
    moments = np.where(np.abs(moments - moments.round()) < 1e-6, moments.round(), moments)
    before = np.minimum(moments.astype(np.intp), len(stretch.path) - 2)
    share = moments - before
    path = _between(stretch.path, before, share[:, None])
    rotations = nearest(_between(stretch.rotations, before, share[:, None, None, None]))
    offsets, speed = _about_mean_velocity(path, rate)
    return Motion(rate, rotations, offsets, speed, dict(stretch.lengths))


def _between(values: Array, before: NDArray[np.intp], share: Array) -> Array:
    return values[before] * (1 - share) + values[before + 1] * share


def _about_mean_velocity(path: Array, rate: float) -> tuple[Array, float]:
    """The path less its best straight line at constant speed (least squares), and that speed."""
    moments = np.arange(len(path)) / rate
    moments -= moments.mean()
    slope = moments @ path / (moments @ moments)
    slope[2] = 0.0
    return path - path.mean(axis=0) - moments[:, None] * slope, float(slope[0])


def _straighten(track: Track, span: slice, heading: Array) -> Stretch:
    turn = about("z", -heading)
    steps = np.diff(track.root[span], axis=0)
    ahead = (turn[:-1] @ steps[..., None])[..., 0]
    path = np.concatenate([np.zeros((1, 3)), np.cumsum(ahead, axis=0)])
    return Stretch(track.rate, turn[:, None] @ track.rotations[span], path, track.lengths)


def _smooth(path: Array, sigma: float) -> Array:
    """Gaussian smoothing; beyond its ends the path is its own mirror image through the end."""
    reach = min(int(3 * sigma), len(path) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    before = 2 * path[0] - path[reach:0:-1]
    after = 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, path, after])
    columns = [np.convolve(column, weights / weights.sum(), "valid") for column in padded.T]
    return np.stack(columns, axis=1)
