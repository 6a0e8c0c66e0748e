"""People in pictures: both detectors, and the mask of each person that they propose."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from capture.camera.blazepose import Body, BodyMask, NearDetector
from capture.camera.own_models import OwnDetector, OwnMasks, sha256_of
from capture.camera.ssdlite import Found, Picture, SsdLite
from capture.track.boxes import Box, inside, without_doubles
from capture.track.sighting import Sighting
from capture.weights import DETECTOR, MASK, NEAR_DETECTOR, weights_file

SURE = 0.2
"""Score of a detection that may begin a track, and beside which a near person is a double."""

_DOUBLE_NEAR = 0.4
_NEAR_WORTH = 0.5
_PRESENT = 0.5
_FEET = 0.5
_BORDER = 2.0
_WIDENED = 0.6


class Detector(Protocol):
    """Boxes `(n, 4)` in pixels and scores `(n,)` of the people in a BGR picture."""

    def find(self, picture: Picture) -> Found: ...


class Masker(Protocol):
    """The mask of the person in a box of a BGR picture."""

    def look(self, picture: Picture, box: Box) -> Body: ...


class BothDetectors:
    """People far away by SSDLite, and those near whom it misses by BlazePose."""

    def __init__(self, far: Detector, near: Detector) -> None:
        self._far, self._near = far, near

    def find(self, picture: Picture) -> Found:
        """As `Detector`."""
        boxes, scores = self._far.find(picture)
        near, sure = self._near.find(picture)
        if len(boxes) and len(near):
            known = (inside(near, boxes) * (scores >= SURE)).max(axis=1) >= _DOUBLE_NEAR
            near, sure = near[~known], sure[~known]
        return np.concatenate([boxes, near]), np.concatenate([scores, _NEAR_WORTH * sure])


@dataclass(frozen=True, eq=False)
class Seen:
    """A person in a picture, before it is known who it is.

    Args:
        box: between where they were proposed and their mask, for comparing with other frames.
        tight: of the mask.
        body: the mask and what came with it.
        score: of the detector; 0 if only looked for.
        whole: the feet are in the picture and its border cuts nothing off.
    """

    box: Box
    tight: Box
    body: Body
    score: float
    whole: bool

    def sighting(self, frame: int, seconds: float) -> Sighting:
        """What is kept of it."""
        _, mask = cv2.imencode(".png", self.body.mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return Sighting(
            frame,
            seconds,
            tuple(round(float(value), 1) for value in self.tight),
            mask.tobytes(),
            self.body.presence,
            self.score > 0,
            self.whole,
        )


def networks(
    weights: Path | None = None, detector: Path | None = None, masks: Path | None = None
) -> tuple[Detector, Masker]:
    """The detectors and the masks that `python -m capture.weights` fetches, or your own.

    Args:
        weights: folder of what was fetched; the usual one if None.
        detector, masks: ONNX files instead, see `capture.camera.own_models`.

    Raises:
        WeightsError: a file is missing or is another one.
    """
    finds: Detector
    if detector is None:
        far = SsdLite(weights_file(DETECTOR, weights))
        finds = BothDetectors(far, NearDetector(weights_file(NEAR_DETECTOR, weights)))
    else:
        finds = OwnDetector(detector)
    if masks is None:
        return finds, BodyMask(weights_file(MASK, weights))
    return finds, OwnMasks(masks)


def networks_used(detector: Path | None = None, masks: Path | None = None) -> list[str]:
    """The SHA-256 of each file that `networks` opens, wherever it lies.

    Raises:
        WeightsError: there is no such file of your own.
    """
    finds = [DETECTOR.sha256, NEAR_DETECTOR.sha256] if detector is None else [sha256_of(detector)]
    return [*finds, MASK.sha256 if masks is None else sha256_of(masks)]


def look_closely(masker: Masker, picture: Picture, box: Box, score: float) -> Seen | None:
    """The person in a box; None if there is none. Looks again in a larger box if it cuts them."""
    body = masker.look(picture, box)
    again = body.tight is not None and body.presence >= _PRESENT and body.at_edge
    if again and body.tight is not None:
        box = _widened(box, body.tight)
        body = masker.look(picture, box)
    if body.tight is None or body.presence < _PRESENT:
        return None
    between = body.tight if again else (box + body.tight) / 2
    return Seen(between, body.tight, body, score, _whole(body, body.tight, picture))


def _widened(box: Box, tight: Box) -> Box:
    around = np.concatenate([np.minimum(box[:2], tight[:2]), np.maximum(box[2:], tight[2:])])
    middle, reach = (around[:2] + around[2:]) / 2, (around[2:] - around[:2]) * _WIDENED
    return np.concatenate([middle - reach, middle + reach])


def _whole(body: Body, tight: Box, picture: Picture) -> bool:
    height, width = picture.shape[:2]
    ends = np.array([width, height]) - _BORDER
    inside_picture = bool((tight[:2] >= _BORDER).all() and (tight[2:] <= ends).all())
    return inside_picture and body.ankles >= _FEET and not body.at_edge


def distinct(seen: list[Seen]) -> list[Seen]:
    """Without those that show the same person."""
    boxes = np.array([each.box for each in seen]).reshape(-1, 4)
    worth = np.array([max(each.score, SURE / 2) * each.body.presence for each in seen])
    return [seen[row] for row in without_doubles(boxes, worth, 0.5)]


def tall_enough(found: Found, least: float) -> Found:
    """Those of at least this height in pixels."""
    boxes, scores = found
    tall = boxes[:, 3] - boxes[:, 1] >= least
    return boxes[tall], scores[tall]
