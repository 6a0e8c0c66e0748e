"""The bytes of a clip file into a `Clip`."""

from dataclasses import dataclass

from gait.clip import Clip
from gait.decode.content import read_content
from gait.decode.limits import Limits
from gait.decode.represent import represent
from gait.errors import ClipModalityError
from gait.modality import Modality
from gait.range_view import Forward

_DEFAULT = Limits()


@dataclass(frozen=True, eq=False)
class Decoded:
    """A clip, and how it came out of its file.

    Args:
        clip: the frames that can be used.
        format: what the file was found to be: `npy`, `npz`, `zip/png`, `zip/jpeg`, `zip/pcd`,
            `zip/bin`, `mp4`, `avi` or `gif`.
        inferred: the modality was found in the content, not given.
        frames_in: frames in the file.
        frames_used: frames in the clip.
        dropped: reason → number of frames left out for it.
        points_ignored: LiDAR points ignored because a coordinate was NaN or infinite.
    """

    clip: Clip
    format: str
    inferred: bool
    frames_in: int
    frames_used: int
    dropped: dict[str, int]
    points_ignored: int = 0


def decode_clip(
    data: bytes,
    *,
    modality: Modality | None = None,
    forward: Forward = Forward.PLUS_X,
    limits: Limits = _DEFAULT,
) -> Decoded:
    """Decodes a clip file of any format; which one is found by its first bytes, not by a name.

    Caps are compared with headers before anything is inflated; nothing in the file is executed,
    and only videos touch the disk, as a private temporary file. Frames of 64×64 pixels are taken
    as they are, others aligned. Frames of an archive are in natural order of their names (2 before
    10).

    Args:
        data: the whole file: `.npy`/`.npz` arrays (`gait.decode.frames` lists the layouts), zip
            of PNG or JPEG frames, mp4/avi/gif of silhouettes, zip of `.pcd`, `.bin` or `.npy`
            clouds.
        modality: what it shows, if known; inferred from the content otherwise.
        forward: the sensor axis that points at the walker; matters for point clouds only.
        limits: caps on every size.

    Raises:
        DecodeError: unknown format, corrupt, too large or forbidden content.
        ClipError: the content cannot be a clip, or is not of the given modality.
    """
    limits.check_bytes(len(data))
    content = read_content(data, limits)
    limits.check_frames(len(content))
    if modality not in (None, content.modality):
        raise ClipModalityError(
            f"got a {content.modality} clip ({content.format}), it was said to be {modality}; "
            "leave the modality out, or send the other file"
        )
    aligned = represent(content, forward)
    return Decoded(
        clip=Clip(aligned.frames, content.modality),
        format=content.format,
        inferred=modality is None,
        frames_in=len(content),
        frames_used=len(aligned.kept),
        dropped=aligned.dropped,
        points_ignored=aligned.points_ignored,
    )
