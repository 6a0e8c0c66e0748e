"""Clips of any lengths as one run of the network: every frame once, and an index of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames

Index = NDArray[np.int64]

PADDING = -1
"""In an index: no frame."""


def ragged(clips: Sequence[Frames]) -> tuple[Frames, Index]:
    """What the graphs take: no padding, and frames that come twice are there once.

    Args:
        clips: `(s, c, 64, 64)` of one modality each, at least one; none is empty.

    Returns:
        Frames `(f, c, 64, 64)`, and for each clip the rows of its frames, `(n, max s)`; −1 beyond
        the end of a shorter clip.
    """
    rows: dict[bytes, int] = {}
    index = np.full((len(clips), max(map(len, clips))), PADDING, np.int64)
    for own, clip in zip(index, clips, strict=True):
        own[: len(clip)] = [rows.setdefault(frame.tobytes(), len(rows)) for frame in clip]
    frames = np.frombuffer(b"".join(rows), np.uint8)
    return frames.reshape(-1, *clips[0].shape[1:]), index
