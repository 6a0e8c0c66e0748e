"""The one person of a clip's clouds: without the floor, without what stands or hovers beside."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.decode.points.cloud import Cloud
from gait.decode.points.ground import slope_of, without_ground, without_patch

_CELL = 0.1
"""Metres: side of the cells of a grid on the floor. Things are apart if three such cells between
them are empty."""

_FURTHEST = 100
"""Cells from the middle of the points; what lies further is taken to lie there."""

_HIGH = 0.8
"""Metres: what is as high stands by itself, and is no foot and no bag."""

_WIDTH = (0.15, 1.6)
"""Metres that a person is wide, a step and a bag included; what is not is a pole, or a wall."""

_NEAR = 5
"""Cells from the person within which something low is taken to belong to them."""

_STRIDE = 1.0
"""Metres that somebody moves at most from one frame to the next."""

_AS_LARGE = 0.35
"""Of the person's size: somebody beside may as well be meant."""


class OnePerson(NamedTuple):
    """Clouds of one person.

    Attributes:
        clouds: `(k, 3)` of each frame.
        ground: points of the floor that were taken away.
        others: points of other things that were.
        beside: frames in which somebody else stood, about as large.
    """

    clouds: list[Cloud]
    ground: int
    others: int
    beside: int


def one_person(clouds: Sequence[Cloud]) -> OnePerson:
    """The clouds without their floor and without other things: walls, poles, people, strays.

    The person is the largest thing that stands upright, and stays it from frame to frame. Where
    nothing does, a frame is as it was. Points that are not finite stay.

    Args:
        clouds: `(k, 3)` metres of each frame, z up.
    """
    without_strays, beside = _without_others(clouds)
    slope = slope_of(without_strays)
    standing = without_patch([without_ground(c, slope) for c in without_strays], slope)
    alone, on_the_floor = _without_others(standing)
    counts = [sum(map(len, some)) for some in (clouds, without_strays, standing, alone)]
    others = counts[0] - counts[1] + counts[2] - counts[3]
    return OnePerson(alone, counts[1] - counts[2], others, beside + on_the_floor)


def _without_others(clouds: Sequence[Cloud]) -> tuple[list[Cloud], int]:
    """The clouds of the person alone, and in how many somebody else stood beside."""
    alone, beside, place = list[Cloud](), 0, None
    for cloud in clouds:
        kept, place, somebody = _alone(cloud, place)
        alone.append(kept)
        beside += somebody
    return alone, beside


class _Things(NamedTuple):
    """What lies together in a cloud: of each thing the height and width in metres, the size, and
    the middle `(n, 3)`."""

    heights: NDArray[np.float64]
    widths: NDArray[np.float64]
    sizes: NDArray[np.float64]
    middles: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], labels: NDArray[np.int32]) -> "_Things":
        """Those of points `(k, 3)` labelled from 1 on without a gap."""
        rising = points[np.argsort(labels, kind="stable")]
        counts = np.bincount(labels)[1:]
        first = np.cumsum(counts) - counts
        lowest, highest = (each.reduceat(rising, first) for each in (np.minimum, np.maximum))
        squares = (rising[:, :2] ** 2).sum(axis=1)  # a point stands for more the further it is
        extents = highest - lowest
        return cls(
            extents[:, 2],
            extents[:, :2].max(axis=1),
            np.add.reduceat(squares, first),
            np.add.reduceat(rising, first) / counts[:, np.newaxis],
        )


def _alone(
    cloud: Cloud, before: NDArray[np.float64] | None
) -> tuple[Cloud, NDArray[np.float64] | None, bool]:
    """A cloud's person, the person's place, and whether somebody else is there.

    Args:
        cloud: `(k, 3)`.
        before: the person's place in the frame before.
    """
    there = np.flatnonzero(np.isfinite(cloud).all(axis=1) & cloud.any(axis=1))
    if not len(there):
        return cloud, before, False
    points = np.asarray(cloud[there], np.float64)
    labels, grid, cells = _labelled(points[:, :2])
    things = _Things.of(points, labels)
    high = things.heights >= _HIGH
    people = np.flatnonzero(high & (_WIDTH[0] <= things.widths) & (things.widths <= _WIDTH[1]))
    if not len(people):
        return cloud, before, False
    main = people[things.sizes[people].argmax()]
    if before is not None:
        moved = np.hypot(*(things.middles[people] - before)[:, :2].T)
        main = people[moved.argmin()] if moved.min() <= _STRIDE else main
    others = people[people != main]
    beside = bool((things.sizes[others] >= _AS_LARGE * things.sizes[main]).any())
    if len(high) == 1:
        return cloud, things.middles[main], beside
    away = cv2.distanceTransform((grid != main + 1).astype(np.uint8), cv2.DIST_L2, 5)[cells]
    nearest = np.full(len(high) + 1, np.inf)
    np.minimum.at(nearest, labels, away)
    gone = (high | (nearest[1:] > _NEAR)) & (np.arange(len(high)) != main)
    kept: Cloud = np.delete(cloud, there[gone[labels - 1]], axis=0)
    return kept, things.middles[main], beside


def _labelled(
    level: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], tuple[NDArray[np.intp], ...]]:
    """The number of the thing that each point belongs to, a grid of such numbers, and the cell of
    each point."""
    middle = np.median(level, axis=0)
    cells = np.clip(np.floor((level - middle) / _CELL), -_FURTHEST, _FURTHEST).astype(np.intp)
    cells -= cells.min(axis=0) - _NEAR
    taken = np.zeros(cells.max(axis=0) + 1 + _NEAR, np.uint8)
    place = (cells[:, 0], cells[:, 1])
    taken[place] = 1
    joined = cv2.dilate(taken, np.ones((3, 3), np.uint8))
    numbers = np.asarray(cv2.connectedComponents(joined, connectivity=8)[1], np.int32)
    return numbers[place], np.where(taken > 0, numbers, 0), place
