"""Videos of silhouettes, and animated pictures of either modality, decoded by FFmpeg (PyAV)."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from gait.decode.kind import OF_A_SCENE, TO_MP4
from gait.decode.limits import Limits
from gait.decode.picture import LOSSY_FLOOR, Picture, grey_or_jet, trim
from gait.errors import ClipModalityError, CorruptFileError, UnsupportedFormatError
from gait.modality import SIZE

_DEMUXERS = {
    "mp4": "mov", "avi": "avi", "mkv": "matroska", "webm": "matroska", "gif": "gif", "apng": "apng"
}  # fmt: skip
LOSSLESS = ("gif", "apng")

CODECS = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx-vp9", "mpeg4", "msmpeg4v2",
    "msmpeg4v3", "mpeg2video", "mpeg1video", "mjpeg", "ffv1", "huffyuv", "ffvhuff", "rawvideo",
    "png", "gif", "apng", "prores",
)  # fmt: skip
"""Decoders that a file may ask for: those of cameras and common programs, not all of FFmpeg's."""

_STREAMS = 16
_PAUSE = 10.0
"""Seconds between two frames beyond which a file's times are not believed."""


@dataclass
class Video:
    """The frames of a video, and what was done to them.

    Args:
        frames: `(h, w)` grey, or of animated pictures also `(h, w, 3)` RGB, without blank margins.
        aligned: all frames were 64×64.
        read: frames in the file.
        damaged: frames left out because they could not be decoded whole.
        deinterlaced: interlaced frames, of which one field was fitted to the other.
        rotated: degrees that the file says to turn frames by, against the clock.
        times: for each of `frames` when it is shown, in seconds, as the file says.
    """

    frames: list[Picture] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    aligned: bool = True
    read: int = 0
    damaged: int = 0
    deinterlaced: int = 0
    rotated: int = 0


def decode_video(data: bytes, container: str, limits: Limits) -> Video:
    """Frames of a video, in the order they are shown, turned as the file says.

    Sound and other streams are not decoded. Of an interlaced frame every second line is fitted to
    the lines around it. A frame that the decoder reports as damaged is left out: what stands in its
    missing parts is not the video's. Nothing touches the disk; the demuxer is the one of the
    container found, never guessed.

    Args:
        data: the file.
        container: as `gait.decode.kind.video_container` found it.
        limits: compared with each frame as it comes: no header is trusted.

    Raises:
        LimitExceededError: too many or too large frames.
        CorruptFileError: it cannot be decoded, or has no frames.
        UnsupportedFormatError: a codec that is not read.
        ClipModalityError: the frames are coloured: range views do not survive video compression.
    """
    video = Video()
    if container == "gif":  # FFmpeg refuses a large screen without saying so
        limits.check_pixels(*struct.unpack_from("<HH", data.ljust(10, b"\0"), 6))
    try:
        with open_video(data, container, limits) as source:
            _read(source, video, limits, lossy=container not in LOSSLESS)
    except (av.FFmpegError, ValueError, OverflowError, UnicodeError) as error:
        if not video.frames:
            raise CorruptFileError(f"the {container} video cannot be decoded; {TO_MP4}") from error
        video.damaged += 1  # cut off: what came before is whole
    if not video.frames:
        raise CorruptFileError(
            f"the {container} video has no frame that can be decoded whole; {TO_MP4}"
        )
    return video


def open_video(data: bytes, container: str, limits: Limits) -> InputContainer:
    """Opens a video file that nobody has looked at yet, without trusting what it says.

    Args:
        data: the file.
        container: as `gait.decode.kind.video_container` found it.
        limits: of which FFmpeg is told the largest frame.

    Raises:
        av.FFmpegError, ValueError, OverflowError: it is damaged.
    """
    options = {
        "max_pixels": str(limits.max_pixels),
        "codec_whitelist": ",".join(CODECS),
        "max_streams": str(_STREAMS),
        "threads": "1",
        "err_detect": "careful",
    }
    return av.open(
        io.BytesIO(data),
        "r",
        format=_DEMUXERS[container],
        options=options,
        metadata_errors="replace",
    )


def _read(source: InputContainer, video: Video, limits: Limits, *, lossy: bool) -> None:
    held = decoded = 0
    for frame in _frames(source, video, limits):
        video.read += 1
        limits.check_frames(video.read)
        limits.check_pixels(frame.height, frame.width)
        decoded += frame.height * frame.width
        limits.check_decoded(decoded)
        if frame.is_corrupt:
            video.damaged += 1
            continue
        picture = _upright(frame, video)
        video.aligned &= picture.shape[:2] == (SIZE, SIZE)
        video.frames.append(trimmed(_meaning(picture, lossy=lossy)))
        video.times.append(frame.time)
        held += video.frames[-1].nbytes
        limits.check_inflated(held)


def rhythm(times: list[float | None]) -> tuple[float, ...] | None:
    """Seconds of each frame since the first; None if the file does not say, or no sense.

    >>> rhythm([2.0, 2.04, 2.08])
    (0.0, 0.04, 0.08)
    >>> rhythm([0.0, None]) is rhythm([1.0, 1.0]) is None
    True
    """
    said = [time for time in times if time is not None and isfinite(time)]
    steps = [after - before for before, after in pairwise(said)]
    if len(said) < len(times) or not all(0 < step <= _PAUSE for step in steps):
        return None
    return tuple(round(time - said[0], 4) for time in said)


def trimmed(picture: Picture) -> Picture:
    """Without blank margins, unless it may be aligned already."""
    return picture if picture.shape[:2] == (SIZE, SIZE) else trim(picture)


def _frames(source: InputContainer, video: Video, limits: Limits) -> Iterator[VideoFrame]:
    if not source.streams.video:
        raise CorruptFileError(f"the video has no pictures, only other streams; {TO_MP4}")
    stream = source.streams.video[0]
    codec = stream.codec_context
    if codec is None or codec.name not in CODECS:
        raise UnsupportedFormatError(
            f"got a video of codec {codec.name if codec else 'unknown'}; {TO_MP4}"
        )
    limits.check_pixels(codec.height, codec.width)
    limits.check_frames(stream.frames)
    codec.thread_count = 1
    for packet in source.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            video.damaged += 1
            video.read += 1


def _upright(frame: VideoFrame, video: Video) -> NDArray[np.uint8]:
    """The frame as `(h, w, 3)` RGB, laid on black, without combs, turned."""
    alpha = any(component.is_alpha for component in frame.format.components)
    if alpha or frame.format.name == "pal8":
        pixels = frame.to_ndarray(format="rgba", threads=1)
        picture = cv2.multiply(
            pixels[..., :3], cv2.merge([pixels[..., 3]] * 3), scale=1 / 255
        ).astype(np.uint8, copy=False)
    else:
        picture = np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8)
    if frame.interlaced_frame and len(picture) > 2:
        picture = without_combs(picture)
        video.deinterlaced += 1
    turn = frame.rotation % 360
    if turn % 90 == 0 and turn:
        video.rotated = turn
        picture = np.ascontiguousarray(np.rot90(picture, turn // 90))
    return picture


def without_combs(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An interlaced picture of which every second line was taken at another moment.

    Each of those lines becomes the median of itself and its two neighbours: it keeps its values
    where they continue what is above and below, and where the person moved between the moments it
    takes those of a neighbour. What stood still stays sharp.
    """
    full = picture.copy()
    own = picture[1:-1:2]
    above, below = picture[:-2:2][: len(own)], picture[2::2][: len(own)]
    full[1:-1:2] = np.clip(own, np.minimum(above, below), np.maximum(above, below))
    return full


def _meaning(picture: NDArray[np.uint8], *, lossy: bool) -> NDArray[np.uint8]:
    grey = grey_or_jet(picture, lossy=lossy)
    if lossy and grey.ndim == 3:
        raise ClipModalityError(
            "got a coloured video, videos carry silhouettes only (a white person on black); "
            f"send range views as .npz or PNG; {OF_A_SCENE}"
        )
    return grey


__all__ = [
    "CODECS",
    "LOSSLESS",
    "LOSSY_FLOOR",
    "Video",
    "decode_video",
    "open_video",
    "rhythm",
    "trimmed",
    "without_combs",
]
