"""Content into aligned 64×64 frames: one preprocessing, whatever the file format was."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned, require_frames
from gait.crop import fit
from gait.decode.content import Assumed, Content
from gait.decode.picture import lit_pixels
from gait.decode.points.cloud import Cloud
from gait.decode.points.ground import without_ground
from gait.errors import ClipError
from gait.modality import SIZE, Modality
from gait.quality.quality import Quality
from gait.quality.source import judge_clouds, judge_pictures
from gait.range_view import MIN_PIXELS, MIN_ROWS, Forward, project
from gait.silhouette import align

_ASIDE = 60.0
"""Degrees from the forward axis from which on that axis must be another one."""

_LYING = 0.6
"""A person whose height is less than this part of their width does not stand along z."""

_SPREAD = 1.0
"""Metres of width from which on lying can be told from crouching."""


def represent(content: Content, forward: Forward) -> tuple[Aligned, Assumed, Quality]:
    """Aligns what a file held.

    Frames of 64×64 pixels count as aligned already and keep their pixels; blank ones are dropped
    (`empty`). Other silhouettes go through `gait.silhouette.align`, clouds through
    `gait.range_view.project` after the floor was taken away, other range-view pictures through the
    same row crop and centring.

    Returns:
        The frames, what was taken for granted or done (see `gait.decode.Decoded`), and what is
        wrong with the clip as far as only its file showed it.

    Raises:
        ClipEmptyError: no frame is usable.
        ClipError: the points do not lie ahead of the sensor, or do not stand upright.
    """
    if content.clouds is not None:
        return _project(content.clouds, forward)
    pictures = content.pictures or []
    if content.aligned:
        aligned = _as_they_are(pictures)
        return aligned, {}, judge_pictures(aligned, pictures)
    if content.modality is Modality.SILHOUETTE:
        aligned = align(pictures)
        done: Assumed = {"frames_cleaned": aligned.cleaned} if aligned.cleaned else {}
        return aligned, done, judge_pictures(aligned, pictures)
    aligned = align_range_views(pictures)
    return aligned, {}, judge_pictures(aligned, pictures)


def align_range_views(pictures: Sequence[NDArray[np.uint8]]) -> Aligned:
    """Crops range-view pictures of any size to the person's rows, height 64, mass in the middle.

    Nearest pixel, never a blend: a colour stands for a distance.

    Args:
        pictures: each `(h, w, 3)` uint8 RGB, black where nothing was measured.

    Returns:
        Frames `(s, 3, 64, 64)`. Reasons for dropping: `empty`, `too_few_points`.

    Raises:
        ClipEmptyError: no frame is usable.
    """
    frames, kept, dropped = [], [], Counter[str]()
    for index, picture in enumerate(pictures):
        lit = lit_pixels(picture)
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


def _project(clouds: Sequence[Cloud], forward: Forward) -> tuple[Aligned, Assumed, Quality]:
    cut = [without_ground(cloud) for cloud in clouds]
    _require_ahead_and_upright(cut, forward)
    aligned = project(cut, forward)
    assumed: Assumed = {"forward": str(forward)}
    if aligned.steps is not None:
        assumed["row_step_degrees"] = round(aligned.steps[0], 2)
        assumed["column_step_degrees"] = round(aligned.steps[1], 2)
    if ground := sum(map(len, clouds)) - sum(map(len, cut)):
        assumed["ground_points_removed"] = ground
    return aligned, assumed, judge_clouds(aligned, cut)


def _require_ahead_and_upright(clouds: Sequence[Cloud], forward: Forward) -> None:
    """Refuses clouds whose axes are not what they were said to be: they would look like a person.

    Raises:
        ClipError: most frames lie further than 60° from the forward axis, or along the ground.
    """
    middles, sizes = [], []
    for cloud in clouds:
        points = np.asarray(cloud, dtype=np.float64)
        points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
        if len(points) >= MIN_PIXELS:
            middles.append(np.median(points, axis=0))
            sizes.append(np.subtract(*np.quantile(points, (0.95, 0.05), axis=0)))
    if not middles:
        return
    middle, size = np.median(middles, axis=0), np.median(sizes, axis=0)
    toward = _axis_toward(middle)
    ahead, right = (part[0] for part in forward.ahead_and_right(middle[None]))
    if np.degrees(np.arctan2(abs(right), ahead)) > _ASIDE:
        raise ClipError(
            f"the points lie toward {toward} of the sensor, {forward} was said or assumed to point "
            f"at the walker; say forward={toward} if that is so, else turn the points"
        )
    if max(size[:2]) > _SPREAD and size[2] < _LYING * max(size[:2]):
        raise ClipError(
            f"the points are {size[2]:.1f} m high and {max(size[:2]):.1f} m wide, need one upright "
            "person, z up, in metres; swap the axes so that z points up, and send that person's "
            "points only"
        )


def _axis_toward(middle: NDArray[np.float64]) -> Forward:
    """The axis that points at the walker best."""
    return max(Forward, key=lambda forward: forward.ahead_and_right(middle[None])[0][0])


def _as_they_are(pictures: Sequence[NDArray[np.uint8]]) -> Aligned:
    stacked = np.stack(pictures)
    kept = np.flatnonzero(stacked.reshape(len(stacked), -1).any(axis=1))
    blank = len(stacked) - len(kept)
    frames = stacked[kept]
    frames = frames[:, None] if frames.ndim == 3 else frames.transpose(0, 3, 1, 2)
    return require_frames(
        Aligned(np.ascontiguousarray(frames), kept, {"empty": blank} if blank else {})
    )
