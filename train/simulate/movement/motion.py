"""A walk as segment orientations over time: what drives a body, wherever it came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE = 10.0
"""Frames a second of both sensors, Hz."""

SEGMENTS = (
    "pelvis",
    "lumbar",
    "thorax",
    "neck",
    "head",
    "clavicle.L",
    "upper_arm.L",
    "forearm.L",
    "hand.L",
    "clavicle.R",
    "upper_arm.R",
    "forearm.R",
    "hand.R",
    "thigh.L",
    "shank.L",
    "foot.L",
    "toes.L",
    "thigh.R",
    "shank.R",
    "foot.R",
    "toes.R",
)

PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 7, 2, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
"""Index of each segment's parent in `SEGMENTS`."""

REFERENCE = {
    "pelvis": (0, 0, 1),
    "lumbar": (0, 0, 1),
    "thorax": (0, 0, 1),
    "neck": (0, 0, 1),
    "head": (0, 0, 1),
    "clavicle": (0, 1, 0),
    "upper_arm": (0, 0, -1),
    "forearm": (0, 0, -1),
    "hand": (0, 0, -1),
    "thigh": (0, 0, -1),
    "shank": (0, 0, -1),
    "foot": (1, 0, 0),
    "toes": (1, 0, 0),
}
"""Where each segment points in the reference stance: upright, arms hanging straight down.

World axes: x forward (the walking direction), y to the subject's left, z up. Directions of right
segments are the left ones mirrored in y (only the clavicle differs).
"""


@dataclass(frozen=True)
class Motion:
    """A walk along +x.

    Args:
        rate: frames a second, Hz.
        rotations: `(t, 21, 3, 3)` world rotation of each segment of `SEGMENTS`; the identity for
            every segment is the reference stance. Each segment's own: not relative to its parent.
        pelvis: `(t, 3)` metres, movement of the pelvis about a frame that walks along at the mean
            velocity: mean 0 in x and y; z is re-derived by whoever poses a body, so that
            the lower foot is on the ground.
        speed: mean walking speed along +x, m/s.
        lengths: metres of the segments that the source measured, by name; empty where it did not.
    """

    rate: float
    rotations: Array
    pelvis: Array
    speed: float
    lengths: dict[str, float]
