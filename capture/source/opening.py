"""A video file, a stream or a camera is opened, or is said to be none that can be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from gait.decode.kind import video_container
from gait.decode.limits import Limits
from gait.decode.video import CODECS, open_video
from gait.errors import CorruptFileError, LayoutError, SourceLostError, UnsupportedFormatError

_DECODERS = (*CODECS, "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "h263", "flv", "theora", "dvvideo")
_LARGEST = 8192 * 8192
_SECONDS_TO_CONNECT = 10
CONVERT = "convert it: ffmpeg -i FILE -c:v libx264 recording.mp4"


@dataclass(frozen=True, eq=False)
class SentVideo:
    """A video file in memory that somebody sent, so that nothing in it is trusted.

    Args:
        data: the file.
        limits: caps on its frames.
    """

    data: bytes
    limits: Limits

    def __str__(self) -> str:
        return "the video"


Source = str | SentVideo
"""A path, an address, or a file in memory."""


def is_live(source: Source) -> bool:
    """Whether a source is a stream or a camera."""
    return isinstance(source, str) and ("://" in source or source.startswith("/dev/"))


def shown(source: Source) -> str:
    """A source in words, without the name and password that an address may hold."""
    if not isinstance(source, str) or "://" not in source:
        return str(source)
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def opened(source: Source) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A source and its pictures' stream, to be decoded in one thread.

    Raises:
        LayoutError: there is no such file.
        CorruptFileError, UnsupportedFormatError: no video that can be read.
        LimitExceededError: a file that was sent has more or larger frames than allowed.
        SourceLostError: a stream or camera that does not answer.
    """
    try:
        container = _sent(source) if isinstance(source, SentVideo) else _file_or_stream(source)
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(source, error) from error
    with container:
        if not container.streams.video:
            raise CorruptFileError(f"{shown(source)} has no pictures, only other streams")
        stream = container.streams.video[0]
        _require_decodable(source, stream)
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 1
        yield container, stream


def _file_or_stream(source: str) -> InputContainer:
    if not is_live(source):
        if not Path(source).is_file():
            raise LayoutError(f"there is no file or folder {source}")
        if not Path(source).stat().st_size:
            raise CorruptFileError(f"{source} is empty")
    form, options = _options(source)
    return av.open(
        source, "r", format=form, options=options, timeout=_SECONDS_TO_CONNECT,
        metadata_errors="replace",
    )  # fmt: skip


def _sent(video: SentVideo) -> InputContainer:
    kind = video_container(video.data)
    if kind is None:
        raise UnsupportedFormatError(
            "got no recording, need a video (mp4, mov, mkv, webm, avi) or a zip of point clouds of "
            f"whole scenes; {CONVERT}"
        )
    return open_video(video.data, kind, video.limits)


def _require_decodable(source: Source, stream: VideoStream) -> None:
    codec = stream.codec_context
    sent = isinstance(source, SentVideo)
    if codec is None or codec.name not in (CODECS if sent else _DECODERS):
        name = "an unknown one" if codec is None else codec.name
        raise UnsupportedFormatError(f"{shown(source)} is of the codec {name}; {CONVERT}")
    if isinstance(source, SentVideo):
        source.limits.check_pixels(codec.height, codec.width)
        source.limits.check_frames(stream.frames)
    elif codec.width * codec.height > _LARGEST:
        raise UnsupportedFormatError(f"{shown(source)} has pictures larger than 8192 × 8192")


def _options(source: str) -> tuple[str | None, dict[str, str]]:
    if source.startswith("/dev/video"):
        return "v4l2", {}
    if source.startswith("rtsp://"):
        return None, {"rtsp_transport": "tcp", "stimeout": str(_SECONDS_TO_CONNECT * 1_000_000)}
    return None, {}


def _unreadable(source: Source, error: Exception) -> Exception:
    if is_live(source):
        return SourceLostError(f"{shown(source)} does not answer: {reason_of(error)}")
    return CorruptFileError(f"{source} is no video that can be read; {CONVERT}")


def reason_of(error: Exception) -> str:
    """Why, without FFmpeg's number and without the address."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
