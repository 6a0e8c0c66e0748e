"""One person in one frame, and what is kept of them until their clip is written."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, PlainSerializer, PlainValidator

Numbers = Annotated[
    Any,
    PlainValidator(lambda values: np.asarray(values, dtype=np.float64)),
    PlainSerializer(lambda values: np.asarray(values).tolist(), return_type=list),
]
"""An array of numbers, as a list in a file."""


@dataclass
class Sighting:
    """One person in one frame.

    Args:
        frame: number of the frame in the recording, from 0.
        seconds: when it was taken, since the recording began.
        box: where the person is: `x0, y0, x1, y1` in pixels, or in metres on the ground.
        shape: the person: a PNG of a mask, or the bytes of float32 points.
        certainty: 0..1, that it is a person.
        detected: found in this frame, not only looked for where the person was expected.
        whole: nothing cuts the person off.
        shared: part of the person's box that the boxes of other tracks cover, by track.
        photo: a small JPEG of the person, of some sightings only.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    frame: int
    seconds: float
    box: tuple[float, ...]
    shape: bytes
    certainty: float
    detected: bool
    whole: bool
    shared: dict[int, float] = field(default_factory=dict)
    photo: bytes = b""
