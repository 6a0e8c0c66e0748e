"""What real segmenters do to masks: coarse grids, fat or thin borders, lost feet, shadows."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint8]

_KEPT = 0.3
"""Share of clips whose masks have no fault."""


@dataclass(frozen=True)
class MaskFaults:
    """The faults of one camera and segmenter, the same in all frames of a clip.

    Args:
        rows: of the segmenter's own grid over a person; None: as fine as the picture.
        threshold: 0..1 of the segmenter's confidence; low ones make people fat, high ones thin.
        feet: share of the person's height that is lost below.
        shadow: share of the height up to which a shadow beside the feet is taken for the person.
        flicker: share of the frames in which feet are lost and shadows are seen.
    """

    rows: int | None = None
    threshold: float = 0.5
    feet: float = 0.0
    shadow: float = 0.0
    flicker: float = 1.0


WITHOUT_FAULTS = MaskFaults()


def draw_faults(rng: np.random.Generator) -> MaskFaults:
    """The faults of a segmenter at random; every third has none."""
    if rng.random() < _KEPT:
        return WITHOUT_FAULTS
    return MaskFaults(
        rows=round(float(np.exp(rng.uniform(np.log(20), np.log(90)))))
        if rng.random() < 0.7
        else None,
        threshold=float(rng.uniform(0.3, 0.7)),
        feet=float(rng.uniform(0.01, 0.07)) if rng.random() < 0.2 else 0.0,
        shadow=float(rng.uniform(0.02, 0.08)) if rng.random() < 0.2 else 0.0,
        flicker=float(rng.uniform(0.3, 1.0)),
    )


def with_faults(masks: Masks, faults: MaskFaults, rng: np.random.Generator) -> Masks:
    """Masks as that segmenter would give them.

    Args:
        masks: `(t, h, w)` 0 or 255, with a margin around the person.
        faults: which.
        rng: of this walk; says which frames flicker.
    """
    if faults == WITHOUT_FAULTS:
        return masks
    return np.stack([_one(mask, faults, rng) for mask in masks])


def _one(mask: NDArray[np.uint8], faults: MaskFaults, rng: np.random.Generator) -> Masks:
    lit = np.flatnonzero(mask.any(axis=1))
    if not len(lit):
        return mask
    height, foot = int(lit[-1] - lit[0]) + 1, int(lit[-1]) + 1
    flickers = rng.random(2) < faults.flicker
    mask = mask.copy()
    if faults.shadow and flickers[0]:
        _cast_shadow(mask, foot, height, faults.shadow, rng)
    if faults.rows is not None and faults.rows < height:
        scale = faults.rows / height
        size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
        coarse = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        mask = np.asarray(
            cv2.resize(coarse, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8
        )
    else:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.6, height / 80)), np.uint8)
    mask = np.where(mask > 255 * faults.threshold, 255, 0).astype(np.uint8)
    if faults.feet and flickers[1]:
        mask[foot - round(faults.feet * height) :] = 0
    return mask


def _cast_shadow(
    mask: NDArray[np.uint8], foot: int, height: int, thick: float, rng: np.random.Generator
) -> None:
    columns = np.flatnonzero(mask[foot - max(1, height // 8) : foot].any(axis=0))
    middle = int(columns.mean())
    length, side = round(rng.uniform(0.1, 0.4) * height), rng.choice([-1, 1])
    radii = (max(1, length // 2), max(1, round(thick * height / 2)))
    centre = (int(middle + side * length // 2), foot - radii[1])
    cv2.ellipse(mask, centre, radii, 0, 0, 360, (255,), -1)
