"""Pictures of a video file, a stream, a camera or a folder, one after the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gait.decode.archive import natural_key
from gait.decode.video import CODECS, without_combs
from gait.errors import CorruptFileError, LayoutError, SourceLostError, UnsupportedFormatError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_DECODERS = (*CODECS, "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "h263", "flv", "theora", "dvvideo")
_USUAL_RATE = 25.0
_LARGEST = 8192 * 8192
_SECONDS_TO_CONNECT = 10
_CONVERT = "convert it: ffmpeg -i FILE -c:v libx264 recording.mp4"


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a recording.

    Args:
        index: its number, from 0; damaged frames have none.
        seconds: when it was taken, since the first one.
        picture: `(h, w, 3)` uint8 BGR, upright.
    """

    index: int
    seconds: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Recording:
    """What a source says about itself before it is read.

    Args:
        source: path or address.
        rate: frames a second, about.
        count: frames, about; None if unknown.
        live: it cannot be read again from its beginning.
    """

    source: str
    rate: float
    count: int | None
    live: bool = False


def is_live(source: str) -> bool:
    """Whether a source is a stream or a camera."""
    return "://" in source or source.startswith("/dev/")


def describe(source: str) -> Recording:
    """Opens a source to see what it is.

    Raises:
        LayoutError: there is no such file, or the folder holds no pictures.
        CorruptFileError, UnsupportedFormatError: no video that can be read.
        SourceLostError: a stream or camera that does not answer.
    """
    if Path(source).is_dir():
        return Recording(source, _USUAL_RATE, len(_pictures(Path(source))))
    with _opened(source) as (_, stream):
        rate = float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        rate = rate if 0.1 <= rate <= 1000 else _USUAL_RATE
        count = stream.frames
        if not count and stream.duration and stream.time_base:
            count = round(float(stream.duration * stream.time_base) * rate)
        return Recording(source, rate, count or None, is_live(source))


def frames(source: str, after: Frame | None = None) -> Iterator[Frame]:
    """The pictures of a source in the order they are shown.

    Sound is not decoded; frames that cannot be decoded whole are left out; what comes before the
    place where a file was cut off is read. Memory does not grow with the length.

    Args:
        source: see `describe`.
        after: go on with the picture that follows this one.

    Raises:
        as `describe`; SourceLostError also when a stream ends.
    """
    start = 0 if after is None else after.index + 1
    if Path(source).is_dir():
        for index, path in enumerate(_pictures(Path(source))):
            if index >= start:
                yield Frame(index, index / _USUAL_RATE, _picture(path))
        return
    index, clock = 0, _Clock()
    with _opened(source) as (container, stream):
        for frame in _decoded(container, stream, source):
            seconds = clock.seconds(frame, stream)
            if index >= start:
                yield Frame(index, seconds, _upright(frame))
            index += 1
    if not index:
        raise CorruptFileError(f"{source} has no picture that can be decoded; {_CONVERT}")
    if is_live(source):
        raise SourceLostError(f"{source} has ended")


class _Clock:
    """Times that never go back, also where a file has none."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    def seconds(self, frame: VideoFrame, stream: VideoStream) -> float:
        step = 1 / float(stream.average_rate or _USUAL_RATE)
        time = None if frame.time is None else float(frame.time)
        if self._first is None:
            self._first, self._last = time or 0.0, 0.0
            return 0.0
        now = self._last if time is None else time - self._first
        self._last = now if now > self._last else self._last + step
        return self._last


@contextmanager
def _opened(source: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    live = is_live(source)
    if not live and not Path(source).is_file():
        raise LayoutError(f"there is no file or folder {source}")
    if not live and not Path(source).stat().st_size:
        raise CorruptFileError(f"{source} is empty")
    form, options = _options(source)
    try:
        container = av.open(
            source, "r", format=form, options=options, timeout=_SECONDS_TO_CONNECT,
            metadata_errors="replace",
        )  # fmt: skip
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(source, live, error) from error
    with container:
        if not container.streams.video:
            raise CorruptFileError(f"{source} has no pictures, only other streams")
        stream = container.streams.video[0]
        name = stream.codec_context.name
        if name not in _DECODERS:
            raise UnsupportedFormatError(f"{source} is of the codec {name}; {_CONVERT}")
        if stream.codec_context.width * stream.codec_context.height > _LARGEST:
            raise UnsupportedFormatError(f"{source} has pictures larger than 8192 × 8192")
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 1
        yield container, stream


def _options(source: str) -> tuple[str | None, dict[str, str]]:
    if source.startswith("/dev/video"):
        return "v4l2", {}
    if source.startswith("rtsp://"):
        return None, {"rtsp_transport": "tcp", "stimeout": str(_SECONDS_TO_CONNECT * 1_000_000)}
    return None, {}


def _unreadable(source: str, live: bool, error: Exception) -> Exception:
    if live:
        return SourceLostError(f"{source} does not answer: {error}")
    return CorruptFileError(f"{source} is no video that can be read; {_CONVERT}")


def _decoded(container: InputContainer, stream: VideoStream, source: str) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            if is_live(source):
                raise SourceLostError(f"{source} was lost: {error}") from error
            return  # cut off: what came before is whole
        try:
            for frame in packet.decode():
                if isinstance(frame, VideoFrame) and not frame.is_corrupt:
                    yield frame
        except av.error.InvalidDataError:
            continue


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    if frame.interlaced_frame and len(picture) > 2:
        picture = without_combs(picture)
    turn = frame.rotation % 360
    if turn and turn % 90 == 0:
        picture = np.ascontiguousarray(np.rot90(picture, turn // 90))
    return picture


def _pictures(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if each.name.lower().endswith(PICTURES)]
    if not names:
        raise LayoutError(f"{folder} holds no pictures ({' '.join(PICTURES)})")
    return [folder / name for name in sorted(names, key=natural_key) if name[0] != "."]


def _picture(path: Path) -> NDArray[np.uint8]:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise CorruptFileError(f"{path} is no picture that can be read; save it as PNG")
    return np.asarray(picture, np.uint8)
