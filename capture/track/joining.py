"""Which clips of a recording show one person: one goes on where and as another one ended.

Clips stay as they are, cut wherever one person may have been taken for another. That two of them
are of one person is said beside them, and only if nobody else could be meant.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality

_GAP = 3.0
"""Seconds between the end of a clip and the beginning of the next one."""

_REACH = 0.5
"""Between where both are expected half-way: metres on the ground, or heights in a picture."""

_TALLER = 1.25
_STANDS = 0.15
"""Metres or heights a second below which no direction is known."""

_ALIKE = 0.4
"""Largest distance of the colours of two clips."""

_FRAMES = 8
"""Frames from which place and speed at an end are taken."""


@dataclass(frozen=True, eq=False)
class _End:
    """One end of a clip, in metres or in pixels.

    Args:
        seconds: its time.
        at, speed: `(2,)` of the person's feet in a picture, or middle on the ground.
        tall: what lengths are measured in: pixels of a person, or 1 of a LiDAR.
        looks: colours, see `looks_of`; empty if unknown.
    """

    seconds: float
    at: NDArray[np.float64]
    speed: NDArray[np.float64]
    tall: float
    looks: NDArray[np.float64]

    def expected(self, seconds: float) -> NDArray[np.float64]:
        return self.at + self.speed * (seconds - self.seconds)


def joined(clips: Sequence[Mapping[str, Any]]) -> list[int]:
    """The number of the person in each clip, from 1, in the order of their first clips.

    Args:
        clips: of `tracks.json`: `begins`, `ends`, `seconds`, `boxes`, `modality`, and `looks`, the
            colours at the beginning and at the end, if they are known.
    """
    order = sorted(range(len(clips)), key=lambda row: clips[row]["begins"])
    first = [_end(clips[row], slice(None, _FRAMES), 0) for row in order]
    last = [_end(clips[row], slice(-_FRAMES, None), 1) for row in order]
    times = [(clips[row]["begins"], clips[row]["ends"]) for row in order]
    follows = dict[int, int]()
    taken = set[int]()
    found = list(_candidates(times, first, last))
    for _, before, after in sorted(found):
        if after in follows or before in taken or _rivals(before, after, found, times):
            continue
        follows[after] = before
        taken.add(before)
    people = dict[int, int]()
    numbers = [0] * len(clips)
    for at, row in enumerate(order):
        people[at] = people[follows[at]] if at in follows else len({*people.values()}) + 1
        numbers[row] = people[at]
    return numbers


def _end(clip: Mapping[str, Any], part: slice, side: int) -> _End:
    seconds = np.array(clip["seconds"][part], np.float64)
    boxes = np.array(clip["boxes"][part], np.float64)
    if clip["modality"] == Modality.RANGE_VIEW:
        places, tall = (boxes[:, :2] + boxes[:, 2:]) / 2, 1.0
    else:
        places = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        tall = float(np.mean(boxes[:, 3] - boxes[:, 1]))
    off = seconds - seconds.mean()
    speed = off @ (places - places.mean(axis=0)) / max(float(off @ off), 1e-9)
    looks = np.array(clip.get("looks", [[], []])[side], np.float64)
    return _End(float(seconds.mean()), places.mean(axis=0), speed, tall, looks)


def _candidates(
    times: Sequence[tuple[float, float]], first: Sequence[_End], last: Sequence[_End]
) -> Iterator[tuple[float, int, int]]:
    """How far apart, and numbers in the order of time, of clips that may follow each other."""
    begins = [begin for begin, _ in times]
    for before, (_, ends) in enumerate(times):
        for after in range(bisect_right(begins, ends), bisect_right(begins, ends + _GAP)):
            apart = _apart(last[before], first[after])
            if apart < _REACH:
                yield apart, before, after


def _apart(before: _End, after: _End) -> float:
    """Between where both are expected half-way; infinite if they cannot be one person."""
    tall = (before.tall + after.tall) / 2
    if not 1 / _TALLER < before.tall / after.tall < _TALLER:
        return np.inf
    moves = min(np.hypot(*before.speed), np.hypot(*after.speed)) > _STANDS * tall
    if moves and before.speed @ after.speed <= 0:
        return np.inf
    if _unlike(before.looks, after.looks) > _ALIKE:
        return np.inf
    half = (before.seconds + after.seconds) / 2
    return float(np.hypot(*(before.expected(half) - after.expected(half)))) / tall


def _unlike(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Hellinger distance of colours; 0 where they are not known."""
    if not len(first) or not len(second):
        return 0.0
    return float(np.sqrt(max(0.0, 1 - float(first @ second))))


def _rivals(
    before: int,
    after: int,
    found: Sequence[tuple[float, int, int]],
    times: Sequence[tuple[float, float]],
) -> bool:
    """Whether somebody else, who was there at the same time, may be meant as well."""
    return any(
        (b == before and a != after and _overlap(times[a], times[after]))
        or (a == after and b != before and _overlap(times[b], times[before]))
        for _, b, a in found
    )


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
