"""A clip: frames of one sequence in one modality."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import ClipDtypeError, ClipEmptyError, ClipModalityError, ClipShapeError
from gait.modality import SIZE, Modality

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clip:
    """Aligned frames of one walk, ready for the network. An invalid one cannot be made.

    Args:
        frames: `(s, c, 64, 64)` uint8, 0..255; `c` is 1 for silhouettes, 3 (RGB) for range views.
        modality: what the frames show.

    Raises:
        ClipModalityError: `modality` is not a `Modality`.
        ClipDtypeError: the frames are not a uint8 array.
        ClipShapeError: the shape is not `(s, c, 64, 64)`.
        ClipEmptyError: there is no frame.
    """

    frames: Frames
    modality: Modality

    def __post_init__(self) -> None:
        if not isinstance(self.modality, Modality):
            raise ClipModalityError(
                f"got modality {self.modality!r}, need one of {[m.value for m in Modality]}"
            )
        if not isinstance(self.frames, np.ndarray) or self.frames.dtype != np.uint8:
            got = getattr(self.frames, "dtype", type(self.frames).__name__)
            raise ClipDtypeError(f"got frames of {got}, need a uint8 array with values 0..255")
        want = (self.modality.channels, SIZE, SIZE)
        if self.frames.ndim != 4 or self.frames.shape[1:] != want:
            raise ClipShapeError(
                f"got {self.modality} frames of shape {self.frames.shape}, "
                f"need (frames, {want[0]}, {SIZE}, {SIZE})"
            )
        if not len(self.frames):
            raise ClipEmptyError("got a clip without frames, need at least 1")

    def __len__(self) -> int:
        return len(self.frames)
