"""The bytes of a clip file into a `Clip`."""

from dataclasses import dataclass, field

import numpy as np

from gait.clip import Clip
from gait.decode.content import Assumed, read_content
from gait.decode.limits import Limits
from gait.decode.points.axes import UNKNOWN, CloudSource
from gait.decode.represent import represent
from gait.errors import ClipModalityError
from gait.modality import Modality
from gait.quality.judge import judge_clip
from gait.quality.quality import Quality
from gait.range_style import RangeStyle

_DEFAULT = Limits()


@dataclass(frozen=True, eq=False)
class Decoded:
    """A clip, and how it came out of its file. Can be pickled, as its errors can.

    | in `assumed` | |
    |---|---|
    | `forward`, `up` | axes taken to point at the walker and up (point clouds) |
    | `row_step_degrees`, `column_step_degrees` | the raster of the sensor that was said, or as
    estimated from the points |
    | `bin_columns` | numbers of a point in `.bin` frames, and their type |
    | `ground_points_removed` | points of the floor that were left out |
    | `other_points_removed` | points of other things beside the person that were left out |
    | `frames_cleaned` | silhouettes from which what is not the person was left out |
    | `deinterlaced` | interlaced video frames, of which one field was fitted to the other |
    | `rotated` | degrees that a video was turned by, as it says itself |
    | `not_frames` | files of an archive, or arrays, that were passed over |

    Args:
        clip: the frames that can be used.
        format: what the file was found to be: `npy`, `npz`, `zip/png`, `zip/jpeg`, `zip/bmp`,
            `zip/tiff`, `zip/pcd`, `zip/ply`, `zip/las`, `zip/bin`, `mp4`, `mkv`, `webm`, `avi`,
            `gif`, `apng`, `tiff`, or `zip/` and a video.
        inferred: the modality was found in the content, not given.
        frames_in: frames in the file.
        frames_used: frames in the clip.
        dropped: reason → number of frames left out for it. `thinned` are those of a file with more
            frames than a clip may have, left out evenly; `damaged` could not be decoded whole.
        points_ignored: LiDAR points ignored because a coordinate was NaN or infinite.
        assumed: what was taken for granted or done (table above); only what applies.
        quality: how good the clip is and what is wrong with it, by its file and its frames.
        times: seconds of each frame of the clip since the file's first; None if the file does not
            say, as arrays and archives do not.
    """

    clip: Clip
    format: str
    inferred: bool
    frames_in: int
    frames_used: int
    dropped: dict[str, int]
    points_ignored: int = 0
    assumed: Assumed = field(default_factory=dict)
    quality: Quality = field(default_factory=Quality)
    times: tuple[float, ...] | None = None


def decode_clip(
    data: bytes,
    *,
    modality: Modality | None = None,
    source: CloudSource = UNKNOWN,
    limits: Limits = _DEFAULT,
    columns: int | None = None,
    style: RangeStyle = RangeStyle.BINS,
) -> Decoded:
    """Decodes a clip file of any format; which one is found by its first bytes, not by a name.

    Caps are compared with headers before anything is inflated, and with what comes out while it is
    decoded; nothing in the file is executed, and nothing touches the disk. Frames of 64×64 pixels
    are taken as they are, others aligned, each by itself. Frames of an archive are in natural order
    of their names (2 before 10).

    Args:
        data: the whole file: `.npy`/`.npz` arrays (`gait.decode.arrays` lists the layouts), zip
            of PNG, JPEG, BMP or TIFF frames, mp4/mov/mkv/webm/avi/gif/apng or a multi-page TIFF of
            silhouettes, zip of `.pcd`, `.ply`, `.las`, `.bin` or `.npy` clouds.
        modality: what it shows, if known; inferred from the content otherwise.
        source: which sensor recorded point clouds, and how their axes lie, if known.
        limits: caps on every size.
        columns: numbers of each point of `.bin` frames; found from the points if None.
        style: how point clouds are drawn: as the network wants them, `Encoder.range_style`.

    Raises:
        DecodeError: unknown format, corrupt, too large or forbidden content.
        ClipError: the content cannot be a clip, or is not of the given modality.
    """
    # A file may hold any numbers. What is not finite is left out, and no warning says more.
    with np.errstate(all="ignore"):
        return _decode(data, modality, source, limits, columns, style)


def _decode(
    data: bytes,
    modality: Modality | None,
    source: CloudSource,
    limits: Limits,
    columns: int | None,
    style: RangeStyle,
) -> Decoded:
    limits.check_bytes(len(data))
    content = read_content(data, limits, columns)
    limits.check_frames(content.frames)
    if modality not in (None, content.modality):
        raise ClipModalityError(
            f"got a {content.modality} clip ({content.format}), it was said to be {modality}; "
            "leave the modality out, or send the other file"
        )
    aligned, assumed, by_file = represent(content, source, style)
    clip = Clip(aligned.frames, content.modality)
    shades = aligned.heights is None and content.clouds is None
    return Decoded(
        clip=clip,
        format=content.format,
        inferred=modality is None,
        frames_in=content.frames,
        frames_used=len(aligned.kept),
        dropped=content.dropped | aligned.dropped,
        points_ignored=aligned.points_ignored,
        assumed=content.assumed | assumed,
        quality=judge_clip(clip, shades=shades).joined(by_file),
        times=content.times and tuple(content.times[row] for row in aligned.kept),
    )
