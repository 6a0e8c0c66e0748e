"""What is wrong with a clip that only its file showed, before the frames were aligned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned
from gait.modality import SIZE
from gait.quality.judge import GREY, grey_part
from gait.quality.quality import OF_DROPPED, Quality, Reason
from gait.quality.ramp import Ramp, ramp
from gait.sampling import evenly
from gait.silhouette import FOREGROUND

LOOKED_AT = 6
"""Pictures of a file that are looked at, spread evenly over it."""

_WORTH = {
    Reason.INVERTED: 1.0,
    Reason.PHOTOGRAPH: 1.0,
    Reason.SEVERAL_PEOPLE: 0.6,
    Reason.CUT_OFF: 0.5,
    Reason.TOO_SMALL: 0.5,
    Reason.TOO_FEW_POINTS: 0.5,
    Reason.NOBODY: 0.3,
}
"""What is lost when nearly all frames were dropped for it: those that are left show the person."""

_CLEANED = 0.2
_TOUCHES = 0.4
_SAMPLES = 48
"""Rows and columns of a picture whose shades are looked at."""

_GREY: Ramp = (0.2, 0.5)
_POINTS: Ramp = (40, 10)
_ROWS: Ramp = (18, 8)
"""Pixels that a person is high: of 17, 14, 12, 10 and 8 the package's model finds 93, 71, 54, 25
and 11 % (simulated people, results/trials.md)."""

_LOW = 0.85
"""What the lowest cost: searches for them are answered if nothing else is wrong."""
_ROW_STEP: Ramp = (1.2, 2.2)
"""Degrees between the rows of a LiDAR: 32 rows over 41° are 1.33, 16 over 30° are 2. Among people
enrolled by such a sensor the package's thresholds let 0, 6, 19 and 30 % of the strangers pass
that it sees at 1, 1.33, 1.6 and 2°; 1 % is wanted (simulated people, results/sensors.json)."""

_UNKNOWN = 0.3
_COARSE = 0.7


def judge_pictures(aligned: Aligned, pictures: Sequence[NDArray[np.uint8]]) -> Quality:
    """The quality by what alignment dropped, and by the pictures themselves.

    Args:
        aligned: of the pictures.
        pictures: silhouettes `(h, w)` or range views `(h, w, 3)`.
    """
    severity = _by_dropped(aligned.dropped, len(pictures))
    if aligned.cleaned:
        severity[Reason.SPECKS] = _CLEANED * aligned.cleaned / max(len(aligned.kept), 1)
    some = [pictures[row] for row in evenly(len(pictures), LOOKED_AT)]
    if (
        pictures[0].ndim == 2
        and pictures[0].shape != (SIZE, SIZE)
        and aligned.dropped.keys().isdisjoint({"photograph"})
    ):
        greys = np.mean([_grey(each) for each in some], axis=0)
        severity[Reason.PHOTOGRAPH] = max(ramp(float(greys[0]), _GREY), ramp(float(greys[1]), GREY))
        severity[Reason.TOUCHES_BORDER] = _TOUCHES * float(np.mean([_touches(p) for p in some]))
    if aligned.heights is not None:
        low = _LOW * ramp(float(np.median(aligned.heights)), _ROWS)
        severity[Reason.TOO_SMALL] = max(low, severity.get(Reason.TOO_SMALL, 0.0))
    return Quality({reason: value for reason, value in severity.items() if value > 0})


def judge_clouds(aligned: Aligned, clouds: Sequence[NDArray[Any]], beside: int = 0) -> Quality:
    """The quality by what projection dropped, the number of points, the sensor's raster, and
    whether somebody else was there.

    Args:
        aligned: of the clouds.
        clouds: `(k, 3)` points of each frame.
        beside: frames in which somebody else stood beside the person.
    """
    severity = _by_dropped(aligned.dropped, len(clouds))
    few = 0.8 * ramp(float(np.median([len(cloud) for cloud in clouds])), _POINTS)
    severity[Reason.TOO_FEW_POINTS] = max(few, severity.get(Reason.TOO_FEW_POINTS, 0.0))
    coarse = _UNKNOWN if aligned.steps is None else _COARSE * ramp(aligned.steps[0], _ROW_STEP)
    severity[Reason.UNKNOWN_SENSOR] = coarse
    severity[Reason.SEVERAL_PEOPLE] = _WORTH[Reason.SEVERAL_PEOPLE] * beside / len(clouds)
    return Quality({reason: value for reason, value in severity.items() if value > 0})


def _by_dropped(dropped: Mapping[str, int], frames: int) -> dict[Reason, float]:
    severity: dict[Reason, float] = {}
    for word, count in dropped.items():
        if reason := OF_DROPPED.get(word):
            severity[reason] = severity.get(reason, 0.0) + _WORTH[reason] * count / max(frames, 1)
    return {reason: min(value, 1.0) for reason, value in severity.items()}


def _grey(picture: NDArray[np.uint8]) -> tuple[float, float]:
    """The pixels that are neither black nor white, as a part of all and of those not black."""
    rows, columns = (max(1, length // _SAMPLES) for length in picture.shape)
    shades = picture[::rows, ::columns]
    return float(((shades > 16) & (shades < 240)).mean()), grey_part(shades)


def _touches(picture: NDArray[np.uint8]) -> bool:
    """Whether the person reaches the upper or the lower border; both is a crop to the person."""
    first, last = (int(picture[row].max()) >= FOREGROUND for row in (0, -1))
    return first != last
