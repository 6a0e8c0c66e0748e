"""From a person's rows to a 64×64 frame: the step both representations share."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.modality import SIZE


def mass_centre(columns: NDArray[Any]) -> float:
    """Column coordinate that halves the mass, between pixels where needed.

    Column `i` covers `[i, i + 1)`, its mass spread evenly over it.

    Args:
        columns: `(w,)` non-negative mass of each column, not all zero.
    """
    cumulative = np.cumsum(columns, dtype=np.float64)
    half = cumulative[-1] / 2
    column = int(np.searchsorted(cumulative, half))
    return float(column + 1 - (cumulative[column] - half) / columns[column])


def fit(image: NDArray[Any], columns: NDArray[Any], *, blend: bool, empty: float) -> NDArray[Any]:
    """Resizes to height 64 keeping the aspect, centres on the mass, cuts or pads to 64 wide.

    Args:
        image: `(h, w)` uint8 or float32, already cropped to the person's rows.
        columns: `(w,)` mass of each column.
        blend: mix neighbouring pixels (area when shrinking, linear when enlarging) instead of
            taking the nearest one. Off for distances: a mixture was never measured.
        empty: value of the padding.

    Returns:
        `(64, 64)`, same dtype. The mass centre lies between columns 31 and 32, within half a pixel.
    """
    height = len(image)
    centre = mass_centre(columns)
    # Only half a height to each side can reach the frame: this bounds the resize.
    reach = height // 2 + 2
    first, last = round(centre) - reach, round(centre) + reach + 1
    if not blend:  # a single column may be all there is: it is not made one of many
        first, last = max(first, 0), min(last, image.shape[1])
    # Else always as wide, or a picture's margin would change how its width is rounded.
    image = _window(image, first, last - first, empty)
    width = max(1, round(image.shape[1] * SIZE / height))
    left = round((centre - first) * width / image.shape[1]) - SIZE // 2
    resized = cv2.resize(image, (width, SIZE), interpolation=_method(height, blend))
    frame = np.full((SIZE, SIZE), empty, dtype=image.dtype)
    start, stop = max(0, left), min(width, left + SIZE)
    frame[:, start - left : stop - left] = resized[:, start:stop]
    return frame


def _window(image: NDArray[Any], first: int, width: int, empty: float) -> NDArray[Any]:
    """Columns `first`, `first + 1`, … of an image, empty where it has none."""
    window = np.full((len(image), width), empty, dtype=image.dtype)
    start, stop = max(0, first), min(image.shape[1], first + width)
    window[:, start - first : stop - first] = image[:, start:stop]
    return window


def _method(height: int, blend: bool) -> int:
    if not blend:
        return cv2.INTER_NEAREST
    return cv2.INTER_AREA if height > SIZE else cv2.INTER_LINEAR
