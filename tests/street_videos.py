"""Small videos in which coloured figures walk, and a detector and masks that know their colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from capture.camera.blazepose import MASK_SIZE, Body, colours_of
from capture.camera.ssdlite import Found
from capture.track.boxes import Box

WIDTH, HEIGHT, TALL = 320, 160, 90
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Walker:
    """A figure that walks along a line.

    Args:
        colour: BGR, of which no two figures may have the same blue.
        start: pixels from the left, of its middle in the first frame.
        speed: pixels a frame.
        first, last: frames in which it is there.
        back: rows that it walks further up than others.
    """

    colour: tuple[int, int, int]
    start: float
    speed: float
    first: int = 0
    last: int = 10_000
    back: int = 0

    def at(self, frame: int) -> float:
        """Where its middle is."""
        return self.start + self.speed * (frame - self.first)


def picture(walkers: Sequence[Walker], frame: int) -> Picture:
    """A frame: a grey street, and those who are there, the nearer over the further."""
    shown = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for each in sorted(walkers, key=lambda walker: -walker.back):
        if each.first <= frame <= each.last:
            _draw(shown, each, frame)
    return shown


def _draw(shown: Picture, walker: Walker, frame: int) -> None:
    x, foot = round(walker.at(frame)), HEIGHT - 20 - walker.back
    stride = round(11 * np.sin(frame * 0.7))
    cv2.ellipse(shown, (x, foot - TALL + 10), (7, 9), 0, 0, 360, walker.colour, -1)
    cv2.ellipse(shown, (x, foot - TALL * 3 // 5), (12, 24), 0, 0, 360, walker.colour, -1)
    for side in (-1, 1):
        cv2.line(shown, (x, foot - TALL // 2), (x + side * stride, foot), walker.colour, 8)


def write_video(
    path: Path,
    walkers: Sequence[Walker],
    frames: int,
    *,
    rate: int = 10,
    sound: bool = False,
    seconds: Sequence[float] | None = None,
) -> Path:
    """A losslessly compressed video, so that colours stay what they are.

    Its frames have the times given by `seconds`, or come at an even rate.
    """
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264rgb", rate=Fraction(rate), options={"qp": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        if seconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        heard = out.add_stream("aac", rate=16000) if sound else None
        for frame in range(frames):
            shown = av.VideoFrame.from_ndarray(picture(walkers, frame), format="bgr24")
            if seconds is not None:
                shown.pts, shown.time_base = round(1000 * seconds[frame]), Fraction(1, 1000)
            out.mux(stream.encode(shown))
        out.mux(stream.encode())
        if isinstance(heard, AudioStream):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate = 16000
            out.mux(heard.encode(silence))
            out.mux(heard.encode())
    return path


class ColourDetector:
    """Finds figures by their colours; counts how often it was called."""

    def __init__(self, walkers: Sequence[Walker]) -> None:
        self._colours = [walker.colour for walker in walkers]
        self.calls = 0

    def find(self, picture: Picture) -> Found:
        """Boxes of the figures that are seen."""
        self.calls += 1
        boxes = []
        for colour in self._colours:
            rows, columns = np.nonzero(_of_colour(picture, colour))
            if len(rows) > 100:
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        return np.array(boxes, np.float64).reshape(-1, 4), np.full(len(boxes), 0.9)


class ColourMasks:
    """Masks of the figure whose colour fills most of a box."""

    def __init__(self, walkers: Sequence[Walker]) -> None:
        self._colours = [walker.colour for walker in walkers]

    def look(self, picture: Picture, box: Box) -> Body:
        """As `capture.camera.blazepose.BodyMask`."""
        middle = (box[:2] + box[2:]) / 2
        side = 1.25 * float((box[2:] - box[:2]).max())
        left, top = middle - side / 2
        scale = MASK_SIZE / side
        move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
        square = np.asarray(
            cv2.warpAffine(picture, move, (MASK_SIZE, MASK_SIZE), flags=cv2.INTER_NEAREST), np.uint8
        )
        lit = max((_of_colour(square, each) for each in self._colours), key=np.count_nonzero)
        mask = lit.astype(np.uint8) * np.uint8(255)
        rows, columns = np.nonzero(lit)
        tight = None
        if len(rows) > 200:
            ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            tight = np.array(ends) / scale + np.array([left, top, left, top])
        rgb = np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2RGB), np.uint8)
        where = float(middle[0]), float(middle[1]), side
        present = 1.0 if tight is not None else 0.0
        return Body(mask, where, tight, present, 1.0, False, colours_of(rgb, mask))


def _of_colour(picture: Picture, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    off = np.abs(picture.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
    found: NDArray[np.bool_] = off < 12
    return found
