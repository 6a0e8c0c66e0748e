"""What somebody wears, as far as the photos of a piece show: for telling clips of people apart."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera.blazepose import colours_of
from capture.track.sighting import Sighting

_PHOTOS = 3


def looks_of(sightings: Sequence[Sighting]) -> list[float]:
    """Colours of the first photos, see `colours_of`; empty without photos, as of a LiDAR."""
    seen = [_colours(each) for each in sightings if each.photo][:_PHOTOS]
    if not seen:
        return []
    mean = np.mean(seen, axis=0)
    return [round(float(value), 3) for value in mean / max(float(np.linalg.norm(mean)), 1e-9)]


def _colours(sighting: Sighting) -> NDArray[np.float64]:
    """Of the person alone: the photo shows the box of the mask."""
    photo = cv2.imdecode(np.frombuffer(sighting.photo, np.uint8), cv2.IMREAD_COLOR)
    mask = cv2.imdecode(np.frombuffer(sighting.shape, np.uint8), cv2.IMREAD_GRAYSCALE)
    x, y, wide, tall = cv2.boundingRect((np.asarray(mask) > 127).astype(np.uint8))
    rgb = np.asarray(cv2.cvtColor(np.asarray(photo), cv2.COLOR_BGR2RGB), np.uint8)
    own = np.asarray(mask)[y : y + tall, x : x + wide]
    fitted = cv2.resize(own, (rgb.shape[1], rgb.shape[0])) if own.size else own
    return colours_of(rgb, np.asarray(fitted, np.uint8))
