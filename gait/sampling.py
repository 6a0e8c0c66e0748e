"""Which frames of a clip are looked at, when it has more than are needed."""

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip


def evenly(have: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the rows 0..have-1, ascending, spread evenly and mirror-symmetric.

    >>> evenly(10, 4).tolist()
    [1, 3, 6, 8]
    >>> evenly(3, 4).tolist()
    [0, 1, 2]
    """
    if have <= most:
        return np.arange(have)
    return (np.arange(most) * 2 + 1) * have // (2 * most)


def passed_over(clip: Clip, frames: int) -> dict[str, int]:
    """Reason → frames that `sampled` leaves out; empty if it leaves out none."""
    return {"not_sampled": len(clip) - frames} if len(clip) > frames else {}


def sampled(clip: Clip, frames: int) -> Clip:
    """The clip with at most `frames` of its frames, spread evenly; the clip itself if it has not
    more. Sampling again changes nothing."""
    if len(clip) <= frames:
        return clip
    return Clip(clip.frames[evenly(len(clip), frames)], clip.modality)
