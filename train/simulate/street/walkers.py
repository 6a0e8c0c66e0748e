"""Who walks where on the simulated street, and where every point of them is in a frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import ConfigError
from train.simulate.bodies.body import RestBody, pose
from train.simulate.conditions import Condition, dress
from train.simulate.identity import Identity
from train.simulate.movement.motion import RATE, Motion
from train.simulate.sensors.scene import LIDAR_HEIGHT, Path, place

Array = NDArray[np.float32]

HEIGHT = 2.0
"""Of the LiDAR above the ground, metres."""

NEAREST, FARTHEST = 5.5, 13.0
ASIDE = 7.0
"""Metres ahead of the sensors, and to each side of them, between which people walk."""

_TILT = 12.0
"""Degrees by which a way across the street may differ from straight across."""

_APART = 0.7
"""Metres that people keep between each other."""

_TRIES = 400


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk of one person across the street.

    Args:
        person: number.
        walk: 0 for the person's first pass, and so on.
        first: frame of the recording in which it begins.
        body: dressed.
        motion: one frame of it for each of the recording.
        path: on the ground, in the LiDAR's frame.
    """

    person: int
    walk: int
    first: int
    body: RestBody
    motion: Motion
    path: Path

    @property
    def last(self) -> int:
        """Frame of the recording in which it ends, included."""
        return self.first + len(self.path.feet) - 1


@dataclass(frozen=True, eq=False)
class Present:
    """A person in one frame.

    Args:
        person: number.
        points: `(3, v)` surface in the LiDAR's frame: x ahead, y left, z up, metres.
        parts: `(v,)` segment of the body that each point belongs to most.
        feet: `(2,)` where they stand.
    """

    person: int
    points: Array
    parts: NDArray[np.intp]
    feet: NDArray[np.float64]


def plan(people: list[Identity], passes: int, frames: int, rng: np.random.Generator) -> list[Pass]:
    """Ways across the street that begin at any time and cross, but do not collide.

    Args:
        people: who walks.
        passes: of each of them, in turn.
        frames: of the recording.
        rng: of the street.

    Raises:
        ConfigError: there are too many for the time.
    """
    planned = list[Pass]()
    slot = frames / passes
    for walk in range(passes):
        for number, person in enumerate(people):
            for _ in range(_TRIES):
                found = _way(number, walk, person, (walk * slot, (walk + 1) * slot), rng)
                if found.last < frames and all(_keep_apart(found, other) for other in planned):
                    planned.append(found)
                    break
            else:
                raise ConfigError(
                    f"{len(people)} people do not fit into {frames} frames of the street; "
                    "give more frames or fewer people"
                )
    return planned


def _way(
    number: int,
    walk: int,
    person: Identity,
    slot: tuple[float, float],
    rng: np.random.Generator,
) -> Pass:
    speed = person.move(walk, 2, np.random.default_rng([number, walk]), RATE).speed
    side = 1 if rng.random() < 0.5 else -1
    angle = np.radians(90 * side + rng.uniform(-_TILT, _TILT))
    heading = np.array([np.cos(angle), np.sin(angle)])
    frames = max(2, round(2 * ASIDE / (speed * abs(heading[1])) * RATE))
    middle = np.array([rng.uniform(NEAREST, FARTHEST), 0.0])
    along = speed * (np.arange(frames) - (frames - 1) / 2) / RATE
    first = int(rng.uniform(slot[0], max(slot[0] + 1, slot[1] - frames)))
    own = np.random.default_rng([number, walk])
    body, motion = dress(
        person.body,
        person.move(walk, frames, own, RATE),
        (Condition.NORMAL,),
        np.random.default_rng(number),
    )
    return Pass(number, walk, first, body, motion, Path(heading, middle + along[:, None] * heading))


def _keep_apart(one: Pass, other: Pass) -> bool:
    begin, end = max(one.first, other.first), min(one.last, other.last)
    if begin > end:
        return one.person != other.person or abs(one.first - other.first) > 1
    if one.person == other.person:
        return False
    a = one.path.feet[begin - one.first : end - one.first + 1]
    b = other.path.feet[begin - other.first : end - other.first + 1]
    return bool(np.hypot(*(a - b).T).min() >= _APART)


def present(passes: list[Pass], frames: int) -> Iterator[list[Present]]:
    """Who is on the street in each frame; only those are posed who are there."""
    posed = dict[int, Array]()
    for frame in range(frames):
        now = list[Present]()
        for index, each in enumerate(passes):
            if not each.first <= frame <= each.last:
                posed.pop(index, None)
                continue
            if index not in posed:
                placed = place(pose(each.body, each.motion), each.path)
                placed[:, 2] -= np.float32(HEIGHT - LIDAR_HEIGHT)
                posed[index] = placed
            row = frame - each.first
            parts = each.body.weights.argmax(axis=1)
            now.append(Present(each.person, posed[index][row], parts, each.path.feet[row]))
        yield now
