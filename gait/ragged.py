"""Clips of any lengths as one run of the network: every frame once, and an index of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames

Index = NDArray[np.int64]


def ragged(clips: Sequence[Frames]) -> tuple[Frames, Index]:
    """What the graphs take: no padding, and frames that come twice are there once.

    Args:
        clips: `(s, c, 64, 64)` of one modality each, at least one; none is empty.

    Returns:
        Frames `(f, c, 64, 64)`, and for each clip the rows of its frames, `(n, max s)`. A shorter
        clip repeats its last row, which the maximum over frames does not see.
    """
    rows: dict[bytes, int] = {}
    index = np.empty((len(clips), max(map(len, clips))), np.int64)
    for own, clip in zip(index, clips, strict=True):
        own[: len(clip)] = [rows.setdefault(frame.tobytes(), len(rows)) for frame in clip]
        own[len(clip) :] = own[len(clip) - 1]
    frames = np.frombuffer(b"".join(rows), np.uint8)
    return frames.reshape(-1, *clips[0].shape[1:]), index
