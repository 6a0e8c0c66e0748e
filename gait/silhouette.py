"""Silhouette alignment: any mask of a walking person → a 64×64 frame."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

MIN_FILLED = 0.08
"""In clips of a person so low that this part of the square of the height is less than `MIN_PIXELS`,
it is enough: of a person 16 pixels high, frames with the legs together would be left out otherwise,
and only wide ones kept."""

_USUAL_HEIGHT = 0.75
"""Of a clip's frames, sorted by height, the one whose height is the person's: more than half of the
others may hold only a remnant."""

MIN_ROWS = 8
"""A person lower than this, in source pixels, has no shape to enlarge to 64 rows."""

CUT_PART = 0.2
"""A person who touches the left or right border with more than this part of their height is cut."""

ANOTHER_PERSON = 0.25
"""A piece beside the largest one is another person from this part of its area on."""

_LIT_CORNERS = 3
_DARK, _MOSTLY_GREY = 16, 0.3

PART_OF_PERSON = 0.02
"""A separate piece above or below the largest one belongs to the person from this part of its area
on: legs under a belt that the mask lost. Smaller ones, and those beside the person, are specks."""

_BESIDE = 0.25
"""Part of a piece's rows that it may share with the largest one and still be below or above it; and
how far to the side it may be, as a part of the largest one's height."""

Mask = NDArray[np.uint8] | NDArray[np.bool_]
Masks = NDArray[np.uint8] | NDArray[np.bool_] | Sequence[Mask]


def align(masks: Masks) -> Aligned:
    """Aligns silhouettes: crop to the person's rows, height 64, centred on the mass, 64 wide.

    Each frame is aligned by itself, so frames may differ in size. The person is the largest piece
    of foreground and the larger pieces above or below it; the rest is left out. Soft values stay
    soft. Resizing averages areas when shrinking and is linear when enlarging.

    Args:
        masks: `(s, h, w)`, or `s` masks `(h, w)`: uint8, either 0..255 or 0/1 in all frames (then
            scaled by 255), or bool.

    Returns:
        Frames `(s, 1, 64, 64)`. Reasons for dropping: `empty` (no foreground), `too_small` (under
        8 rows, or under 40 foreground pixels; fewer are enough in clips of a person under 22
        rows), `cut_off` (the
        person is partly outside the left or right border of the picture), `two_people` (another
        large piece stands beside the largest), `background_lit` (the picture's corners are
        foreground: all white, or black on white), `photograph` (the same, and much of the picture
        is grey).

    Raises:
        ClipShapeError, ClipDtypeError: not such an array.
        ClipEmptyError: no frame is usable.
    """
    frames, people, dropped = [], [], Counter[str]()
    heights = []
    for index, mask in enumerate(_full_range(masks)):
        found = _find_person(mask)
        columns = _column_sums(found.person)
        height, pixels = len(found.person), int(columns.sum())
        heights += [height] if pixels else []
        reason = _reason(mask, found, pixels)
        if reason is None:
            frames.append(fit(found.person, columns, blend=True, empty=0))
            people.append((index, height, pixels, found.specks))
        else:
            dropped[reason] += 1
    kept, high, lit, cleaned = np.array(people, dtype=np.intp).reshape(-1, 4).T
    whole = lit >= _least_pixels(float(np.quantile(heights or [0], _USUAL_HEIGHT)))
    if not whole.all():
        dropped["too_small"] += int(np.count_nonzero(~whole))
    stacked = np.array(frames, dtype=np.uint8).reshape(-1, 1, SIZE, SIZE)[whole]
    cleaned_frames = int(cleaned[whole].sum())
    return require_frames(
        Aligned(stacked, kept[whole], dict(dropped), cleaned=cleaned_frames, heights=high[whole])
    )


def _least_pixels(height: float) -> float:
    """Foreground pixels that a frame of somebody so high needs."""
    return min(MIN_PIXELS, MIN_FILLED * height**2)


def _full_range(masks: Masks) -> list[NDArray[np.uint8]]:
    for mask in [masks] if isinstance(masks, np.ndarray) else masks:
        if mask.dtype not in (np.uint8, np.bool_):
            raise ClipDtypeError(f"got masks of {mask.dtype}, need uint8 (0..255 or 0/1) or bool")
    wanted = 3 if isinstance(masks, np.ndarray) else 2
    for mask in [masks] if isinstance(masks, np.ndarray) else masks:
        if mask.ndim != wanted or 0 in mask.shape[-2:]:
            raise ClipShapeError(f"got masks of shape {mask.shape}, need (frames, height, width)")
    binary = max((mask.max(initial=0) for mask in masks), default=0) <= 1
    scale = np.uint8(255 if binary else 1)
    return [mask.astype(np.uint8) * scale if binary else mask.astype(np.uint8, copy=False)
            for mask in masks]  # fmt: skip


def _foreground(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where the person is."""
    if not mask.size:
        return mask
    return cv2.threshold(mask, FOREGROUND - 1, 1, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)


def _column_sums(person: NDArray[np.uint8]) -> NDArray[Any]:
    """Foreground pixels of each column."""
    if not len(person):
        return np.zeros(person.shape[1], np.int32)
    sums = cv2.reduce(_foreground(person), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return np.asarray(sums).reshape(-1)


@dataclass(frozen=True, eq=False)
class _Found:
    """The mask between the person's first and last row, and what else was in it."""

    person: NDArray[np.uint8]
    specks: bool = False
    another: bool = False


def _find_person(mask: NDArray[np.uint8]) -> _Found:
    rows = np.flatnonzero(mask.max(axis=1) >= FOREGROUND)
    if not len(rows):
        return _Found(mask[:0])
    rough = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(rough.max(axis=0) >= FOREGROUND)
    lit = slice(max(columns[0] - 1, 0), columns[-1] + 2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        _foreground(np.ascontiguousarray(rough[:, lit])), connectivity=8
    )
    person = _pieces_of_person(stats)
    if person.all():
        return _Found(rough)
    # A soft edge belongs to the piece it surrounds.
    specks = cv2.dilate((~person)[labels].astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    own = person & (np.arange(count) > 0)
    clean = rough.copy()
    clean[:, lit][specks & ~own[labels]] = 0
    left = np.flatnonzero(clean.max(axis=1) >= FOREGROUND)
    area = stats[:, cv2.CC_STAT_AREA]
    another = area[~person].max() >= ANOTHER_PERSON * area[1:].max()
    return _Found(clean[left[0] : left[-1] + 1], True, bool(another))


def _pieces_of_person(stats: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pieces of foreground are the person's; True for piece 0, the background."""
    left, top, width, height, area = stats.T
    largest = 1 + int(area[1:].argmax())
    aside = np.maximum(left - (left + width)[largest], left[largest] - (left + width))
    shared = np.minimum(top + height, (top + height)[largest]) - np.maximum(top, top[largest])
    apart = shared <= _BESIDE * height
    near = (aside < 0) | (apart & (aside <= _BESIDE * height[largest]))
    person: NDArray[np.bool_] = near & (area >= PART_OF_PERSON * area[largest])
    person[[0, largest]] = True
    return person


def _reason(mask: NDArray[np.uint8], found: _Found, pixels: int) -> str | None:
    """Why a frame cannot be used, None if it can."""
    height = len(found.person)
    if pixels < _least_pixels(height) or height < MIN_ROWS:
        return "too_small" if pixels else "empty"
    if (mask[[0, 0, -1, -1], [0, -1, 0, -1]] >= FOREGROUND).sum() >= _LIT_CORNERS:
        grey = (mask > _DARK) & (mask < 255 - _DARK)
        return "photograph" if grey.mean() > _MOSTLY_GREY else "background_lit"
    if found.another:
        return "two_people"
    sides = _foreground(np.ascontiguousarray(found.person[:, [0, -1]])).sum(axis=0)
    # Who touches both sides fills a picture that was cropped to them.
    return "cut_off" if sides.min() == 0 and sides.max() > CUT_PART * height else None
