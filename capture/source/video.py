"""Pictures of a video file, a stream, a camera or a folder, one after the other."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from capture.source.opening import CONVERT, SentVideo, Source, is_live, opened, reason_of, shown
from gait.decode.archive import natural_key
from gait.decode.video import without_combs
from gait.errors import CorruptFileError, LayoutError, SourceLostError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_USUAL_RATE = 25.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a recording.

    Args:
        index: its number, from 0; frames that cannot be decoded have none.
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
        source: where it is.
        rate: frames a second, about.
        count: frames, about; None if unknown.
        live: it cannot be read again from its beginning.
    """

    source: Source
    rate: float
    count: int | None
    live: bool = False


def describe(source: Source) -> Recording:
    """Opens a source to see what it is.

    Raises:
        LayoutError: there is no such file, or the folder holds no pictures.
        CorruptFileError, UnsupportedFormatError: no video that can be read.
        LimitExceededError: a file that was sent has more or larger frames than allowed.
        SourceLostError: a stream or camera that does not answer.
    """
    if isinstance(source, str) and Path(source).is_dir():
        return Recording(source, _USUAL_RATE, len(_pictures(Path(source))))
    with opened(source) as (container, stream):
        rate = float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        rate = rate if 0.1 <= rate <= 1000 else _USUAL_RATE
        count = stream.frames or round(_seconds(container, stream) * rate)
        return Recording(source, rate, count or None, is_live(source))


def _seconds(container: InputContainer, stream: VideoStream) -> float:
    """How long a recording is; 0 if nothing in it says so."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return max(0, container.duration or 0) / av.time_base  # Matroska says it of the whole


def frames(source: Source, after: Frame | None = None) -> Iterator[Frame]:
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
    if isinstance(source, str) and Path(source).is_dir():
        yield from _in_folder(Path(source), start)
        return
    index, given, clock = 0, start, _Clock()
    with opened(source) as (container, stream):
        for frame in _decoded(container, stream, source):
            seconds = clock.seconds(frame, stream)
            if index >= start and (picture := _upright(frame)) is not None:
                yield Frame(index, seconds, picture)
                given += 1
            index += 1
            if isinstance(source, SentVideo):
                source.limits.check_frames(index)
    if not given:
        raise CorruptFileError(f"{shown(source)} has no picture that can be decoded; {CONVERT}")
    if is_live(source):
        raise SourceLostError(f"{shown(source)} has ended")


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


def _decoded(
    container: InputContainer, stream: VideoStream, source: Source
) -> Iterator[VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            if is_live(source):
                raise SourceLostError(f"{shown(source)} was lost: {reason_of(error)}") from error
            return  # cut off: what came before is whole
        try:
            for frame in packet.decode():
                if isinstance(frame, VideoFrame) and not frame.is_corrupt:
                    yield frame
        except av.FFmpegError:
            continue


def _upright(frame: VideoFrame) -> NDArray[np.uint8] | None:
    """The picture as it is meant to be seen; None if its colours are of no kind that is known."""
    try:
        picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    except av.FFmpegError:
        return None
    if frame.interlaced_frame and len(picture) > 2:
        picture = without_combs(picture)
    turn = frame.rotation % 360
    if turn and turn % 90 == 0:
        picture = np.ascontiguousarray(np.rot90(picture, turn // 90))
    return picture


def _in_folder(folder: Path, start: int) -> Iterator[Frame]:
    read = start
    for index, path in enumerate(_pictures(folder)):
        if index >= start and (picture := _picture(path)) is not None:
            yield Frame(index, index / _USUAL_RATE, picture)
            read += 1
    if not read:
        raise CorruptFileError(f"{folder} has no picture that can be read; save them as PNG")


def _pictures(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        found = [each for each in entries if each.name.lower().endswith(PICTURES)]
        names = [each.name for each in found if each.name[0] != "." and each.is_file()]
    if not names:
        raise LayoutError(f"{folder} holds no pictures ({' '.join(PICTURES)})")
    return [folder / name for name in sorted(names, key=natural_key)]


def _picture(path: Path) -> NDArray[np.uint8] | None:
    """The picture in a file; None if it cannot be read."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    return None if picture is None else np.asarray(picture, np.uint8)
