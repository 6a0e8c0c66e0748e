"""Range views: LiDAR points of a walking person → a coloured 64×64 frame.

Every point colours exactly the bin it falls into; bins that stay empty only because the sensor's
rows and columns lie further apart than ours take the distance of a neighbour. The resize takes the
nearest pixel: a colour stands for a distance, and a blend of two would show a distance that nothing
measured. SUSTech1K's own files are smooth scatter plots (`gait.range_scatter`), and these are not
like them: on 72 simulated frames they light other pixels (IoU 0.74), and the colours of those that
both light differ by 32 levels of 255. A network wants the style it was trained on, `RangeStyle`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned, require_frames
from gait.crop import fit
from gait.errors import ClipDtypeError, ClipShapeError
from gait.lidar import LidarSensor
from gait.modality import SIZE
from gait.range_scatter import Marker, marker, scatter_view
from gait.range_style import RangeStyle
from gait.sampling import evenly

AZIMUTH_BIN = 0.19188
"""Width of a column, degrees."""

ELEVATION_BIN = 0.2
"""Height of a row, degrees."""

LOWEST, HIGHEST = -25.0, 15.0
"""Elevation range, degrees; row 0 starts at the highest."""

ROWS = round((HIGHEST - LOWEST) / ELEVATION_BIN)
HALF = int(90 / AZIMUTH_BIN)
COLUMNS = 2 * HALF
"""The half space in front of the sensor; azimuth 0 is where column `HALF` begins."""

MIN_PIXELS = 10
"""A frame with fewer filled bins shows no person."""

MIN_ROWS = 4
"""A frame whose filled bins span fewer rows shows no person."""

MAX_GAP = 2
"""Empty bins between two filled ones of a row that are closed: a coarser sensor's azimuth step."""

SAME_ROW = 0.1
"""Degrees. Points whose elevations differ less may be of one row of the sensor."""

BEAM_EDGE = 0.001
"""Degrees by which beams are raised, so that none lies on the border between two rows."""

MAX_STEP = 4.0
"""Degrees. Rows further apart than this are a person in pieces, not a sensor's raster."""

_ENOUGH = 16
"""Frames that are enough to estimate the sensor's raster from."""

_MANY = 5
"""Frames from which on a row without a point in any of them is no row of the sensor."""

_CHUNK = 64
"""Frames binned together: enough to amortise numpy, bounded memory whatever the clip's length."""

JET: NDArray[np.uint8] = cv2.applyColorMap(
    np.arange(256, dtype=np.uint8).reshape(-1, 1), cv2.COLORMAP_JET
)[:, 0, ::-1].astype(np.uint8)
"""`(256, 3)` RGB: 0 is dark blue (farthest), 255 dark red (nearest)."""

_EMPTY = -1
_PALETTE = np.concatenate([JET, np.zeros((1, 3), dtype=np.uint8)])  # index −1 is black

Points = NDArray[np.floating]
Array = NDArray[np.float64]


class Forward(StrEnum):
    """The sensor axis that points at the walker. z is up; views are never mirrored."""

    MINUS_X = "-x"
    """SUSTech1K."""
    PLUS_X = "+x"
    """Most drivers."""
    PLUS_Y = "+y"
    """Some vehicles and simulators, where x is to the right."""
    MINUS_Y = "-y"

    def ahead_and_right(self, cloud: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Metres ahead and to the right of each point `(k, 3)`: turned about z, not mirrored."""
        x, y = cloud[:, 0], cloud[:, 1]
        match self:
            case Forward.MINUS_X:
                return -x, y
            case Forward.PLUS_X:
                return x, -y
            case Forward.PLUS_Y:
                return y, x
            case Forward.MINUS_Y:
                return -y, -x


def project(
    points: Sequence[Points],
    forward: Forward = Forward.MINUS_X,
    sensor: LidarSensor | None = None,
    whole_beams: bool = False,
    style: RangeStyle = RangeStyle.BINS,
) -> Aligned:
    """Projects the person's points of every frame to an aligned range view.

    Bins of azimuth × elevation, the nearest point wins; empty bins between the rows and columns of
    a coarser sensor take a neighbour's distance; colour `JET(−d)` of the horizontal distance,
    min–max normalised over the frame's bins: nearest red, farthest blue, empty black, all red if
    equally far; then row crop, height-64 resize (nearest pixel) and mass centring.

    Args:
        points: per frame `(k, 3)` x, y, z in metres, sensor at the origin, z up.
        forward: the axis that points at the walker.
        sensor: which LiDAR, if known; else its raster is estimated from the points.
        whole_beams: the first and the last row of the person reach half way to the next beam, as
            those between them do: else whoever is seen by few beams comes out too short. Simulated
            walks, by which the package's model was trained, are drawn without. A scatter plot's
            markers reach as far by themselves.
        style: how the points are drawn; the scatter plot crops, resizes and centres as
            `gait.range_scatter` says.

    Returns:
        Frames `(s, 3, 64, 64)` RGB. Reasons for dropping: `empty` (no finite point),
        `outside_view` (none in front of the sensor between −25° and +15°), `too_few_points`
        (under 10 bins, in view or left after centring, or under 4 rows). Points with NaN or
        infinity are ignored and counted. `steps` is the raster of the sensor that was given, or as
        `steps_of` finds it.

    Raises:
        ClipShapeError, ClipDtypeError: a frame is not such an array.
        ClipEmptyError: no frame is usable.
    """
    for index, cloud in enumerate(points):
        _check(index, cloud)
    frames, kept, dropped, ignored = [], [], Counter[str](), 0
    steps = _known_steps(sensor) or steps_of(points, forward)
    draw = _drawing(points, forward, sensor, steps, whole_beams, style)
    for start in range(0, len(points), _CHUNK):
        images, not_finite = _images(points[start : start + _CHUNK], forward, draw)
        ignored += not_finite
        for index, image in enumerate(images, start):
            if isinstance(image, str):
                dropped[image] += 1
            else:
                frames.append(image)
                kept.append(index)
    stacked = np.array(frames, dtype=np.uint8).reshape(-1, SIZE, SIZE, 3).transpose(0, 3, 1, 2)
    return require_frames(
        Aligned(
            np.ascontiguousarray(stacked),
            np.array(kept, dtype=np.intp),
            dict(dropped),
            ignored,
            steps=steps,
        )
    )


Draw = Callable[[Array, Array, NDArray[np.float32]], NDArray[np.uint8] | str]
"""Draws the points of a frame by how far down and to the right they lie, in bins, and their
distance: `(64, 64, 3)`, or why it cannot be used."""


def _drawing(
    points: Sequence[Points],
    forward: Forward,
    sensor: LidarSensor | None,
    steps: tuple[float, float] | None,
    whole_beams: bool,
    style: RangeStyle,
) -> Draw:
    if style is RangeStyle.SCATTER:
        row, column = steps or (ELEVATION_BIN, AZIMUTH_BIN)
        rows = min(row, MAX_STEP) / ELEVATION_BIN
        shape = marker(round(rows, 1), round(min(column / AZIMUTH_BIN, MAX_GAP + 1), 1))
        return partial(_scattered, shape=shape)
    apart = 0 if steps is None else ceil(steps[0] / ELEVATION_BIN)
    measured = _measured_rows(points, forward, sensor)
    return partial(_binned, gaps=_Gaps(measured, apart, whole_beams))


class _Gaps(NamedTuple):
    """Which empty rows of a picture are the sensor's.

    Args:
        measured: `(ROWS,)` rows in which any frame has a point; the others lie between beams.
        apart: bins from one beam to the next.
        whole_beams: see `project`.
    """

    measured: NDArray[np.bool_]
    apart: int
    whole_beams: bool


def _known_steps(sensor: LidarSensor | None) -> tuple[float, float] | None:
    if sensor is None or sensor.row_step is None:
        return None
    return max(sensor.row_step, ELEVATION_BIN), max(sensor.azimuth_step, AZIMUTH_BIN)


def _measured_rows(
    points: Sequence[Points], forward: Forward, sensor: LidarSensor | None
) -> NDArray[np.bool_]:
    """Rows of the sensor's beams; all rows where there are too few frames to tell."""
    if sensor is not None and sensor.elevations is not None:
        measured = np.zeros(ROWS, bool)
        beams = np.array(sensor.elevations) + BEAM_EDGE
        rows = np.floor((HIGHEST - beams) / ELEVATION_BIN).astype(np.intp)
        measured[rows[(rows >= 0) & (rows < ROWS)]] = True
        return measured
    measured = np.full(ROWS, len(points) < _MANY)
    for row in evenly(len(points), _ENOUGH):
        cloud = np.asarray(points[row], dtype=np.float64)
        measured[_bins(cloud[np.isfinite(cloud).all(axis=1)], forward)[0]] = True
    return measured


def steps_of(points: Sequence[Points], forward: Forward) -> tuple[float, float] | None:
    """Degrees between the rows and between the columns of the sensor that saw these points.

    A sensor's rows are thin groups of points with almost the same elevation. The row step is the
    distance between neighbouring groups that half of the person's height is made of, so neither
    groups that fell apart nor one wide gap in the person move it. Medians over some frames.

    Args:
        points: as in `project`.
        forward: as in `project`.

    Returns:
        Row and column step, never less than a bin; None if no frame has enough points.
    """
    some = [points[row] for row in evenly(len(points), _ENOUGH)]
    found = [steps for cloud in some if (steps := _frame_steps(cloud, forward)) is not None]
    if not found:
        return None
    rows, columns = np.median(np.array(found), axis=0)
    return max(float(rows), ELEVATION_BIN), max(float(columns), AZIMUTH_BIN)


def _frame_steps(cloud: Points, forward: Forward) -> tuple[float, float] | None:
    points = np.asarray(cloud, dtype=np.float64)
    finite = points[np.isfinite(points).all(axis=1)]
    rows, columns, distance, seen = _bins(finite, forward)
    if len(rows) < MIN_PIXELS or len(np.unique(rows)) < MIN_ROWS:
        return None
    elevation = np.sort(np.degrees(np.arctan2(finite[seen, 2], distance)))
    apart = np.diff(elevation) > SAME_ROW
    first = np.flatnonzero(np.append(True, apart))
    last = np.append(first[1:], len(elevation)) - 1
    length = np.diff((elevation[first] + elevation[last]) / 2)
    thin = elevation[first[1:]] - elevation[last[:-1]] >= length / 2
    row = _median_by_length(np.where(thin, length, 0), length) if len(length) else 0.0
    order = np.lexsort((columns, rows))
    beside = np.diff(columns[order])[(np.diff(rows[order]) == 0) & (np.diff(columns[order]) > 0)]
    across = float(np.median(beside)) if len(beside) else 1.0
    return float(row), across * AZIMUTH_BIN


def _median_by_length(values: NDArray[np.float64], length: NDArray[np.float64]) -> float:
    """The value that half of the length lies at or below."""
    order = np.argsort(values)
    covered = np.cumsum(length[order])
    return float(values[order][np.searchsorted(covered, covered[-1] / 2)])


def _check(index: int, cloud: Points) -> None:
    if not isinstance(cloud, np.ndarray) or cloud.dtype.kind not in "fiu":
        got = getattr(cloud, "dtype", type(cloud).__name__)
        raise ClipDtypeError(f"got {got} as points of frame {index}, need an array of numbers")
    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise ClipShapeError(
            f"got points of shape {cloud.shape} in frame {index}, need (points, 3): x, y, z"
        )


def _places(
    cloud: Array, forward: Forward
) -> tuple[Array, Array, NDArray[np.float32], NDArray[np.bool_]]:
    """How far down and to the right the points in view lie, in bins, their horizontal distance in
    metres, and which points these are.

    The azimuth grows to the right: facing −x it is `atan2(y, −x)`.
    """
    (ahead, right), up = forward.ahead_and_right(cloud), cloud[:, 2]
    with np.errstate(over="ignore"):  # absurd coordinates end at infinity, out of view
        distance = np.hypot(ahead, right)
    azimuth = np.degrees(np.arctan2(right, ahead))
    down = (HIGHEST - np.degrees(np.arctan2(up, distance))) / ELEVATION_BIN
    across = azimuth / AZIMUTH_BIN
    # Distance 0 is how many drivers report a missing return.
    seen = (distance > 0) & (distance < np.finfo(np.float32).max)
    seen &= (down >= 0) & (down < ROWS) & (across >= -HALF) & (across < HALF)
    return down[seen], across[seen], distance[seen].astype(np.float32), seen


def _bins(
    cloud: Array, forward: Forward
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """The row and column that `_places` lie in."""
    down, across, distance, seen = _places(cloud, forward)
    return *_cells(down, across), distance, seen


def _cells(down: Array, across: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.floor(down).astype(np.intp), np.floor(across).astype(np.intp) + HALF


def _nearest(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    distance: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    image = np.full(shape, np.inf, dtype=np.float32)
    np.minimum.at(image.reshape(-1), rows * shape[1] + columns, distance)
    return image


def _images(
    points: Sequence[Points], forward: Forward, draw: Draw
) -> tuple[list[NDArray[np.uint8] | str], int]:
    """Per frame its `(64, 64, 3)` colours, or why it is dropped.

    Also the number of points that are not finite. Angles are computed for all frames at once.
    """
    cloud = np.concatenate(points, dtype=np.float64)
    source = np.repeat(np.arange(len(points)), [len(frame) for frame in points])
    finite = np.isfinite(cloud).all(axis=1)
    down, across, distance, seen = _places(cloud[finite], forward)
    counts = np.bincount(source[finite], minlength=len(points))
    ends = np.cumsum(np.bincount(source[finite][seen], minlength=len(points)))
    parts = (np.split(values, ends[:-1]) for values in (down, across, distance))
    images = [
        draw(frame[0], frame[1], frame[2])
        if len(frame[0])
        else "outside_view"
        if count
        else "empty"
        for count, frame in zip(counts, zip(*parts, strict=True), strict=True)
    ]
    return images, int(np.count_nonzero(~finite))


def _scattered(
    down: Array, across: Array, distance: NDArray[np.float32], shape: Marker
) -> NDArray[np.uint8] | str:
    rows, columns = _cells(down, across)
    filled = len(np.unique(rows * COLUMNS + columns))
    if filled < MIN_PIXELS or rows.max() - rows.min() + 1 < MIN_ROWS:
        return "too_few_points"
    frame = scatter_view(down, across + 180 / AZIMUTH_BIN, distance, shape)
    return frame if np.count_nonzero(frame.any(axis=2)) >= MIN_PIXELS else "too_few_points"


def _binned(
    down: Array, across: Array, distance: NDArray[np.float32], gaps: _Gaps
) -> NDArray[np.uint8] | str:
    rows, columns = _cells(down, across)
    measured = gaps.measured[rows.min() : rows.max() + 1]
    rows, columns = rows - rows.min(), columns - columns.min()
    image = _nearest(rows, columns, distance, (int(rows.max()) + 1, int(columns.max()) + 1))
    if np.count_nonzero(np.isfinite(image)) < MIN_PIXELS or len(image) < MIN_ROWS:
        return "too_few_points"
    seen = np.flatnonzero(np.isfinite(image).any(axis=1))
    image = _close_columns(_fill_rows(image, measured, gaps.apart))
    if gaps.whole_beams:
        ends = (_beyond(seen[1] - seen[0]), _beyond(seen[-1] - seen[-2]))
        image = np.pad(image, (ends, (0, 0)), mode="edge")
    mass = np.isfinite(image).sum(axis=0)
    frame = fit(_levels(image), mass, blend=False, empty=_EMPTY)
    # Scattered points can leave nothing around their centre.
    enough = np.count_nonzero(frame != _EMPTY) >= MIN_PIXELS
    return np.asarray(_PALETTE[frame], np.uint8) if enough else "too_few_points"


def _beyond(apart: int) -> int:
    """Rows that a beam reaches beyond its own, by the distance to its neighbour."""
    return (int(apart) - 1) // 2 if apart <= MAX_STEP / ELEVATION_BIN else 0


def _fill_rows(
    image: NDArray[np.float32], measured: NDArray[np.bool_], apart: int
) -> NDArray[np.float32]:
    """Empty rows between two rows of the sensor repeat the nearer of them.

    Rows of a sensor lie `apart` bins from each other, one more where it falls so. Where its beams
    lie further apart than most, no frame has a point in the rows between them. Other gaps are rows
    that the person left empty, and stay.
    """
    here = np.arange(len(image))
    seen = np.isfinite(image).any(axis=1)
    filled = np.flatnonzero(seen)
    after = np.searchsorted(filled, here)
    below, above = filled[after], filled[np.maximum(after - 1, 0)]
    nearest = np.where(below - here < here - above, below, above)
    passed = np.append(0, np.cumsum(measured & ~seen))  # rows of the sensor without a point here
    between_beams = passed[below] == passed[above]
    widest = np.where(between_beams, np.inf, apart + 1)
    inside = seen | (below - above <= np.minimum(widest, MAX_STEP / ELEVATION_BIN))
    return np.where(inside[:, None], image[np.where(seen, here, nearest)], np.inf)


def _close_columns(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to `MAX_GAP` empty bins between two filled ones of a row take the nearer distance.

    Gaps that show a shape, between legs or between arm and body, are wider, except far away.
    """
    filled = np.isfinite(image)
    here = np.arange(image.shape[1])
    before = np.maximum.accumulate(np.where(filled, here, -1), axis=1)
    after = np.minimum.accumulate(np.where(filled, here, len(here))[:, ::-1], axis=1)[:, ::-1]
    row, column = np.nonzero(
        ~filled & (before >= 0) & (after < len(here)) & (after - before - 1 <= MAX_GAP)
    )
    closed = image.copy()
    closed[row, column] = np.minimum(
        image[row, before[row, column]], image[row, after[row, column]]
    )
    return closed


def _levels(image: NDArray[np.float32]) -> NDArray[np.int16]:
    """Index of each bin's colour: 255 at the nearest to 0 at the farthest, −1 where empty."""
    seen = np.isfinite(image)
    near = float(image.min())
    span = float(image[seen].max()) - near or 1.0
    levels = np.full(image.shape, _EMPTY, dtype=np.int16)
    levels[seen] = np.rint(255 - 255 / span * (image[seen] - near))
    return levels
