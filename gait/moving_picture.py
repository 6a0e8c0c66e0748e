"""A clip as a moving picture that people look at: frames in rows of one PNG, and their times."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gait.clip import Clip, Frames
from gait.modality import SIZE

COLUMNS = 20
"""Frames in a row."""
SHORT = 40
"""Frames of a short moving picture: two or three steps at a camera's rate."""


@dataclass(frozen=True)
class MovingPicture:
    """Aligned frames of one clip, as they are compared.

    Args:
        png: the frames row by row, `COLUMNS` in a row, grey or RGB, each 64 pixels high and wide.
        frames: how many there are.
        seconds: when each was taken; None if the clip's file does not say.
    """

    png: bytes
    frames: int
    seconds: tuple[float, ...] | None

    @classmethod
    def of(
        cls, clip: Clip, seconds: Sequence[float] | None = None, most: int | None = None
    ) -> "MovingPicture":
        """The moving picture of a clip.

        Args:
            clip: whose frames are shown.
            seconds: when each was taken; None if that is not known.
            most: frames that are shown, from the middle of the clip and without gaps, so that the
                rhythm of the walk stays; None for all.
        """
        count = min(len(clip), most or len(clip))
        first = (len(clip) - count) // 2
        some = slice(first, first + count)
        times = None if seconds is None else tuple(map(float, seconds[some]))
        return cls(_sheet(clip.frames[some]), count, times)

    @property
    def packed(self) -> bytes:
        """The picture as bytes, to be kept."""
        head = {"frames": self.frames, "seconds": self.seconds}
        return json.dumps(head).encode() + b"\n" + self.png

    @classmethod
    def unpack(cls, packed: bytes) -> "MovingPicture":
        """The picture that was packed."""
        head, _, png = packed.partition(b"\n")
        told = json.loads(head)
        seconds = told["seconds"]
        return cls(png, told["frames"], None if seconds is None else tuple(seconds))


def _sheet(frames: Frames) -> bytes:
    """Frames `(n, c, 64, 64)` as one PNG."""
    rows = -(-len(frames) // COLUMNS)
    every = np.zeros((rows * COLUMNS, SIZE, SIZE, frames.shape[1]), np.uint8)
    every[: len(frames)] = frames.transpose(0, 2, 3, 1)
    grid = every.reshape(rows, COLUMNS, SIZE, SIZE, -1).transpose(0, 2, 1, 3, 4)
    picture = grid.reshape(rows * SIZE, COLUMNS * SIZE, -1)
    _, png = cv2.imencode(".png", picture[..., ::-1])  # RGB in the clip, BGR to OpenCV
    return png.tobytes()
