"""Range views as SUSTech1K's own files show them: a scatter plot of the points, cropped, resized.

OpenGait makes them with matplotlib (`datasets/SUSTech1K/point2depth.py`): a round marker for every
LiDAR point, 1.4 pixels wide, in the order of the file, the later over the earlier, on a plot of
0.77 pixels to a bin. Here the same picture is put together without a plot. Beside that script's
pictures of 72 simulated frames it lights the same pixels (IoU 0.99), and their colours differ by 2
levels of 255 in the mean. SUSTech1K's own files are not here to compare with.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.modality import SIZE

PIXELS = 0.77
"""Of the plot to a bin of azimuth or elevation."""

RADIUS = 100 / 72 / 2
"""Of a marker, in pixels: its diameter is one typographic point, at 100 dots to the inch."""

WIDTH = 1444
"""Columns of the plot, which shows all around the sensor."""

_PHASES = 16
"""Places within a pixel that a marker's middle is rounded to."""

_FINE = 16
"""Samples along a pixel by which it is found how much of it a marker covers."""

_OPAQUE = 1 - 1e-6

_MANY = 20_000
"""Points from which on those that others hide are left out: no sensor has as many of a person."""

_RED = ((0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5))
_GREEN = ((0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0))
_BLUE = ((0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0))
"""Corners of matplotlib's jet, which is not OpenCV's: they differ by up to 34 levels."""


def _channel(corners: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    places, values = np.array(corners).T
    return np.asarray(np.rint(255 * np.interp(np.linspace(0, 1, 256), places, values)))


_JET = np.stack([_channel(_RED), _channel(_GREEN), _channel(_BLUE)], axis=1)


class Marker(NamedTuple):
    """How much of each pixel around its middle a marker covers.

    Args:
        coverage: `(phases, phases, 2 up + 1, 2 across + 1)`, by the middle's place in its pixel.
        up, across: pixels that it reaches beyond the middle's.
    """

    coverage: NDArray[np.float64]
    up: int
    across: int


@lru_cache(maxsize=64)
def marker(rows: float = 1.0, columns: float = 1.0) -> Marker:
    """The plot's marker.

    Args:
        rows, columns: bins between the rows and columns of the sensor. The markers of one that is
            coarser than they are wide grow until they touch.
    """
    high, wide = (max(RADIUS, step * PIXELS / 2) for step in (rows, columns))
    up, across = (int(np.ceil(radius)) for radius in (high, wide))
    inside = _from_middle(up, high)[:, None, :, None] + _from_middle(across, wide)[:, None] <= 1
    cells = inside.reshape(_PHASES, _PHASES, 2 * up + 1, _FINE, 2 * across + 1, _FINE)
    return Marker(np.minimum(cells.mean(axis=(3, 5)), _OPAQUE), up, across)


def _from_middle(reach: int, radius: float) -> NDArray[np.float64]:
    """`(phases, samples)` squared distances of a row's samples from the middle, in radii."""
    samples = np.arange((2 * reach + 1) * _FINE) / _FINE + 0.5 / _FINE - reach
    middles = (np.arange(_PHASES) + 0.5) / _PHASES
    return np.square((samples - middles[:, None]) / radius)


def scatter_view(
    down: NDArray[np.float64],
    across: NDArray[np.float64],
    distance: NDArray[np.float32],
    shape: Marker,
) -> NDArray[np.uint8]:
    """One frame of the points of a person.

    Args:
        down: `(k,)` bins from the highest elevation.
        across: `(k,)` bins to the right, from behind the sensor, where the plot begins.
        distance: `(k,)` horizontal, metres.
        shape: of the markers.

    Returns:
        `(64, 64, 3)` RGB: the person's rows, height 64, brightness centred; black if they are so
        flat that no row is left.
    """
    picture, left = _drawn(PIXELS * down, PIXELS * across, _colours(distance), shape)
    lit = np.flatnonzero(picture.any(axis=(1, 2)))
    return _fitted(picture[lit[0] : lit[-1]], left)  # without the last row, as OpenGait's crop


def _colours(distance: NDArray[np.float32]) -> NDArray[np.float64]:
    span = float(np.ptp(distance)) or 1.0
    level = ((distance.max() - distance) / span * 256).astype(np.intp)
    return np.asarray(_JET[np.minimum(level, 255)], np.float64)


def _drawn(
    down: NDArray[np.float64],
    across: NDArray[np.float64],
    colours: NDArray[np.float64],
    shape: Marker,
) -> tuple[NDArray[np.uint8], int]:
    """The markers over each other: what shows of one is what the later ones leave uncovered.

    Also the column of the plot in which the picture begins.
    """
    if len(down) > _MANY:
        shown = _topmost(down, across)
        down, across, colours = down[shown], across[shown], colours[shown]
    rows, columns = np.floor(down).astype(np.intp), np.floor(across).astype(np.intp)
    phases = ((np.stack([down - rows, across - columns])) * _PHASES).astype(np.intp)
    left = int(columns.min()) - shape.across
    rows, columns = rows - rows.min() + shape.up, columns - left
    size = int(rows.max()) + shape.up + 1, int(columns.max()) + shape.across + 1
    beside = np.arange(-shape.up, shape.up + 1)[:, None] * size[1]
    beside = beside + np.arange(-shape.across, shape.across + 1)
    cells = ((rows * size[1] + columns)[:, None] + beside.ravel()).ravel()
    coverage = shape.coverage[phases[0], phases[1]].ravel()
    point = np.repeat(np.arange(len(rows)), beside.size)
    order = np.argsort(cells, kind="stable")
    order = order[coverage[order] > 0]
    cells, coverage, point = cells[order], coverage[order], point[order]
    bare = np.cumsum(np.log1p(-coverage))
    last = np.append(np.flatnonzero(np.diff(cells)), len(cells) - 1)
    end = np.repeat(bare[last], np.diff(last, prepend=-1))
    shown = coverage * np.exp(end - bare)
    channels = [np.bincount(cells, shown * c[point], size[0] * size[1]) for c in colours.T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).reshape(*size, 3), left


def _topmost(down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows, in order, of the last point of each place that markers are told apart by."""
    places = np.stack([np.floor(_PHASES * down), np.floor(_PHASES * across)]).astype(np.int64)
    key = (places[0] - places[0].min()) * (int(np.ptp(places[1])) + 1) + places[1]
    first = np.unique(key[::-1], return_index=True)[1]
    return np.sort(len(key) - 1 - first)


def _fitted(person: NDArray[np.uint8], left: int) -> NDArray[np.uint8]:
    """Height 64 by cubic interpolation, and the column that halves the brightness in the middle.

    OpenGait resizes the whole plot, to whole columns; here it is done for the person's alone.
    """
    if not len(person):
        return np.zeros((SIZE, SIZE, 3), np.uint8)
    high, wide = person.shape[:2]
    row, column = high / SIZE, WIDTH / int(SIZE * WIDTH / high)
    first = int(left / column)
    ahead = (first + 0.5) * column - 0.5 - left
    resized = cv2.warpAffine(
        person,
        np.array([[column, 0, ahead], [0, row, row / 2 - 0.5]]),
        (int(np.ceil(wide / column)) + 1, SIZE),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    brightness = resized.sum(axis=(0, 2), dtype=np.int64).cumsum()
    middle = int(np.argmax(brightness > brightness[-1] / 2))
    half = SIZE // 2
    around = np.pad(resized, ((0, 0), (half, half), (0, 0)))[:, middle : middle + SIZE]
    return np.asarray(around, np.uint8)
