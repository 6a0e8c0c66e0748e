"""The recording again, with a box around each person and the number of their track."""

import csv
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.stream import VideoStream

from capture.source.video import Frame, frames
from gait.errors import CaptureStateError

_COLOURS = 12
_WIDEST = 1280


def draw_boxes(
    source: str, boxes: Path, out: Path, rate: float, advance: Callable[[int], None]
) -> None:
    """Writes an MP4 of a recording with the boxes of `boxes.csv`, all of it or nothing.

    Args:
        source: see `capture.source.video`.
        boxes: as the recorder wrote them, in the order of frames.
        out: the new file; frames are made no wider than 1280 pixels.
        rate: frames a second.
        advance: called with 1 for each frame.

    Raises:
        CaptureStateError: this FFmpeg has no encoder for it.
    """
    people = _by_frame(boxes)
    frame_number, rows = next(people, (-1, []))
    pictures = frames(source)
    first = next(pictures)
    scale = min(1.0, _WIDEST / first.picture.shape[1])
    size = [max(round(side * scale) // 2 * 2, 2) for side in first.picture.shape[1::-1]]
    partial = out.with_name(f".{out.name}.part")
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream(_encoder(), rate=Fraction(rate).limit_denominator(1000))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        # Without these x264 decides by which of its threads was quicker, and its macroblock tree by
        # memory that nobody set: one drawing in five was other bytes.
        stream.codec_context.flags |= Flags.bitexact
        stream.codec_context.options = {"x264-params": "mbtree=0"}
        for frame in _with_first(first, pictures):
            while 0 <= frame_number < frame.index:
                frame_number, rows = next(people, (-1, []))
            drawn = np.asarray(cv2.resize(frame.picture, size), np.uint8)
            if frame_number == frame.index:
                _draw(drawn, rows, scale)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="bgr24")
            container.mux(stream.encode(picture))
            advance(1)
        container.mux(stream.encode())
    partial.replace(out)


def _encoder() -> str:
    for name in ("libx264", "libopenh264", "mpeg4"):
        if name in av.codecs_available:
            return name
    raise CaptureStateError("this FFmpeg cannot write H.264 or MPEG-4; give --no-video")


def _with_first(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others


def _by_frame(boxes: Path) -> Iterator[tuple[int, list[dict[str, str]]]]:
    with boxes.open(newline="", encoding="utf-8") as file:
        for number, rows in groupby(csv.DictReader(file), key=lambda row: int(row["frame"])):
            yield number, list(rows)


def _draw(picture: Any, rows: list[dict[str, str]], scale: float) -> None:
    for row in rows:
        x0, y0, x1, y1 = (round(float(row[name]) * scale) for name in ("x0", "y0", "x1", "y1"))
        hue = int(row["track"]) * 7 % _COLOURS * (180 // _COLOURS)
        shade = cv2.cvtColor(np.array([[[hue, 255, 255]]], np.uint8), cv2.COLOR_HSV2BGR)
        colour = [int(value) for value in shade[0, 0]]
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2)
        cv2.putText(picture, row["track"], (x0, max(y0 - 4, 12)), 0, 0.5, colour, 1, cv2.LINE_AA)
