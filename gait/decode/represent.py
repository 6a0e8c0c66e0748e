"""Content into aligned 64×64 frames: one preprocessing, whatever the file format was."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gait.aligned import Aligned, require_frames
from gait.crop import fit
from gait.decode.content import Assumed, Content
from gait.decode.picture import lit_pixels
from gait.decode.points.axes import CloudSource, face, forward_of, stand
from gait.decode.points.beams import on_beams
from gait.decode.points.cloud import Cloud
from gait.decode.points.person import one_person
from gait.lidar import Axis
from gait.modality import SIZE, Modality
from gait.quality.quality import Quality
from gait.quality.source import judge_clouds, judge_pictures
from gait.range_style import RangeStyle
from gait.range_view import MIN_PIXELS, MIN_ROWS, Forward, project
from gait.silhouette import align


def represent(
    content: Content, source: CloudSource, style: RangeStyle
) -> tuple[Aligned, Assumed, Quality]:
    """Aligns what a file held.

    Frames of 64×64 pixels count as aligned already and keep their pixels; blank ones are dropped
    (`empty`). Other silhouettes go through `gait.silhouette.align`, clouds through
    `gait.range_view.project` after the floor and all that stands beside the person were taken away,
    other range-view pictures through the same row crop and centring.

    Returns:
        The frames, what was taken for granted or done (see `gait.decode.Decoded`), and what is
        wrong with the clip as far as only its file showed it.

    Raises:
        ClipEmptyError: no frame is usable.
        ClipError: the axes of the points are not what was said, or cannot be told.
    """
    if content.clouds is not None:
        return _project(content.clouds, source, style)
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


def _project(
    clouds: Sequence[Cloud], source: CloudSource, style: RangeStyle
) -> tuple[Aligned, Assumed, Quality]:
    up = source.upward or Axis.PLUS_Z
    person = one_person(stand(clouds, up))
    forward = forward_of(person.clouds, source)
    aligned = project(
        on_beams(face(person.clouds, forward, up)),
        Forward.PLUS_X,
        source.sensor,
        whole_beams=True,
        style=style,
    )
    assumed: Assumed = {"forward": str(forward), "up": str(up)}
    if aligned.steps is not None:
        assumed["row_step_degrees"] = round(aligned.steps[0], 2)
        assumed["column_step_degrees"] = round(aligned.steps[1], 2)
    if person.ground:
        assumed["ground_points_removed"] = person.ground
    if person.others:
        assumed["other_points_removed"] = person.others
    return aligned, assumed, judge_clouds(aligned, person.clouds, person.beside)


def _as_they_are(pictures: Sequence[NDArray[np.uint8]]) -> Aligned:
    stacked = np.stack(pictures)
    kept = np.flatnonzero(stacked.reshape(len(stacked), -1).any(axis=1))
    blank = len(stacked) - len(kept)
    frames = stacked[kept]
    frames = frames[:, None] if frames.ndim == 3 else frames.transpose(0, 3, 1, 2)
    return require_frames(
        Aligned(np.ascontiguousarray(frames), kept, {"empty": blank} if blank else {})
    )
