"""Silhouette alignment: any mask of a walking person → a 64×64 frame."""

from collections import Counter

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned, require_frames
from gait.crop import fit
from gait.errors import ClipDtypeError, ClipShapeError
from gait.modality import SIZE

FOREGROUND = 128
"""A pixel counts as the person from here on; softer values are kept but decide nothing."""

MIN_PIXELS = 40
"""Fewer foreground pixels than this are too little mass (about OpenGait's sum of 10,000)."""

MIN_ROWS = 8
"""A person lower than this, in source pixels, has no shape to enlarge to 64 rows."""


def align(masks: NDArray[np.uint8] | NDArray[np.bool_]) -> Aligned:
    """Aligns silhouettes: crop to the person's rows, height 64, centred on the mass, 64 wide.

    Soft values stay soft. Resizing averages areas when shrinking and is linear when enlarging.

    Args:
        masks: `(s, h, w)` uint8, either 0..255 or 0/1 (then scaled by 255), or bool.

    Returns:
        Frames `(s, 1, 64, 64)`. Reasons for dropping: `empty` (no foreground), `too_small`
        (under 40 foreground pixels or 8 rows).

    Raises:
        ClipShapeError, ClipDtypeError: not such an array.
        ClipEmptyError: no frame is usable.
    """
    masks = _full_range(masks)
    frames, kept, dropped = [], [], Counter[str]()
    for index, mask in enumerate(masks):
        person, columns = _person(mask)
        pixels = int(columns.sum())
        if pixels < MIN_PIXELS or len(person) < MIN_ROWS:
            dropped["too_small" if pixels else "empty"] += 1
            continue
        frames.append(fit(person, columns, blend=True, empty=0))
        kept.append(index)
    stacked = np.array(frames, dtype=np.uint8).reshape(-1, 1, SIZE, SIZE)
    return require_frames(Aligned(stacked, np.array(kept, dtype=np.intp), dict(dropped)))


def _full_range(masks: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    if masks.dtype not in (np.uint8, np.bool_):
        raise ClipDtypeError(f"got masks of {masks.dtype}, need uint8 (0..255 or 0/1) or bool")
    if masks.ndim != 3 or 0 in masks.shape[1:]:
        raise ClipShapeError(f"got masks of shape {masks.shape}, need (frames, height, width)")
    binary = masks.dtype == np.bool_ or masks.max(initial=0) <= 1
    return masks.astype(np.uint8) * np.uint8(255) if binary else masks.astype(np.uint8, copy=False)


def _person(mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The mask between the person's first and last row, and foreground pixels per column."""
    rows = np.flatnonzero(mask.max(axis=1) >= FOREGROUND)
    if not len(rows):
        return mask[:0], np.zeros(mask.shape[1], dtype=np.int32)
    person = mask[rows[0] : rows[-1] + 1]
    _, foreground = cv2.threshold(person, FOREGROUND - 1, 1, cv2.THRESH_BINARY)
    return person, cv2.reduce(foreground, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0]
