"""Frames after alignment: a person 64 pixels tall, centred, and what had to be left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames
from gait.errors import ClipEmptyError
from gait.quality.quality import OF_DROPPED, in_words


@dataclass(frozen=True, eq=False)
class Aligned:
    """The usable frames of one sequence.

    Args:
        frames: `(s, c, 64, 64)` uint8.
        kept: `(s,)` indices of these frames in the source, rising.
        dropped: reason → number of source frames left out for it.
        points_ignored: LiDAR points ignored because a coordinate was NaN or infinite.
        cleaned: silhouettes from which something that is not the person was taken out.
        heights: `(s,)` rows of the person in the source's pictures; None of other sources, and of
            frames that were taken as they are.
        steps: degrees between the sensor's rows and columns, as estimated from the points.
    """

    frames: Frames
    kept: NDArray[np.intp]
    dropped: dict[str, int]
    points_ignored: int = 0
    cleaned: int = 0
    heights: NDArray[np.intp] | None = None
    steps: tuple[float, float] | None = None


def require_frames(aligned: Aligned) -> Aligned:
    """Passes `aligned` on if it holds a frame.

    Raises:
        ClipEmptyError: every frame was dropped; the message counts the reasons.
    """
    if len(aligned.kept):
        return aligned
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(aligned.dropped.items()))
    often = sorted(aligned.dropped, key=lambda reason: -aligned.dropped[reason])
    wrong = list(dict.fromkeys(OF_DROPPED[reason] for reason in often if reason in OF_DROPPED))
    raise ClipEmptyError(
        f"got no usable frame ({reasons or 'no frames at all'}), need at least 1: "
        f"{in_words(wrong) or 'send frames that show a person'}",
        quality_reasons=[str(reason) for reason in wrong],
        **aligned.dropped,
    )
