"""Content into aligned 64×64 frames: one preprocessing, whatever the file format was."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned, require_frames
from gait.crop import fit
from gait.decode.content import Content
from gait.modality import SIZE, Modality
from gait.range_view import MIN_PIXELS, MIN_ROWS, Forward, project
from gait.silhouette import align


def represent(content: Content, forward: Forward) -> Aligned:
    """Aligns what a file held.

    Frames of 64×64 pixels count as aligned already and keep their pixels; blank ones are dropped
    (`empty`). Other silhouettes go through `gait.silhouette.align`, clouds through
    `gait.range_view.project`, other range-view pictures through the same row crop and centring.

    Raises:
        ClipEmptyError: no frame is usable.
    """
    if content.pictures is None:
        return project(content.clouds or [], forward)
    if content.pictures.shape[1:3] == (SIZE, SIZE):
        return _as_they_are(content.pictures)
    if content.modality is Modality.SILHOUETTE:
        return align(content.pictures)
    return align_range_views(content.pictures)


def align_range_views(pictures: NDArray[np.uint8]) -> Aligned:
    """Crops range-view pictures of any size to the person's rows, height 64, mass in the middle.

    Nearest pixel, never a blend: a colour stands for a distance.

    Args:
        pictures: `(s, h, w, 3)` uint8 RGB, black where nothing was measured.

    Returns:
        Frames `(s, 3, 64, 64)`. Reasons for dropping: `empty`, `too_few_points`.

    Raises:
        ClipEmptyError: no frame is usable.
    """
    frames, kept, dropped = [], [], Counter[str]()
    for index, picture in enumerate(pictures):
        lit = picture.any(axis=2)
        rows = np.flatnonzero(lit.any(axis=1))
        if lit.sum() < MIN_PIXELS or rows[-1] - rows[0] + 1 < MIN_ROWS:
            dropped["too_few_points" if len(rows) else "empty"] += 1
            continue
        person = slice(rows[0], rows[-1] + 1)
        columns = lit[person].sum(axis=0)
        channels = np.moveaxis(picture[person], 2, 0)
        frames.append([fit(channel, columns, blend=False, empty=0) for channel in channels])
        kept.append(index)
    stacked = np.array(frames, dtype=np.uint8).reshape(-1, 3, SIZE, SIZE)
    return require_frames(Aligned(stacked, np.array(kept, dtype=np.intp), dict(dropped)))


def _as_they_are(pictures: NDArray[np.uint8]) -> Aligned:
    kept = np.flatnonzero(pictures.reshape(len(pictures), -1).any(axis=1))
    blank = len(pictures) - len(kept)
    frames = pictures[kept]
    frames = frames[:, None] if frames.ndim == 3 else frames.transpose(0, 3, 1, 2)
    return require_frames(
        Aligned(np.ascontiguousarray(frames), kept, {"empty": blank} if blank else {})
    )
