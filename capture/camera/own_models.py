"""Detectors and masks of your own, as ONNX files.

| file | input | outputs |
|---|---|---|
| detector | `(1, 3, h, w)` of a fixed size or of any | `boxes` `(n, 4)` and `scores` `(n,)` 0..1 |
| masks | `(1, 3, 256, 256)`: a square around one person | the first is `(1, 1, 256, 256)` 0..1 |

Inputs are float32 RGB 0..1; boxes are x0, y0, x1, y1 in pixels of the input.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from capture.camera.blazepose import MASK_SIZE, Body, body_of, cut_around
from capture.camera.ssdlite import Found, Picture
from capture.track.boxes import Box
from gait.errors import WeightsError

_ANY_SIZE = 640
"""Longer side that a picture gets for a detector that takes any size."""

_BROKEN = (runtime.Fail, runtime.InvalidGraph, runtime.InvalidProtobuf, runtime.NotImplemented)


def sha256_of(path: Path) -> str:
    """What tells a model from others.

    Raises:
        WeightsError: there is no such file.
    """
    _require_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OwnDetector:
    """Finds people by a file.

    Raises:
        WeightsError: the file is no such model.
    """

    def __init__(self, path: Path) -> None:
        self._session = _opened(path)
        names = {output.name for output in self._session.get_outputs()}
        if not {"boxes", "scores"} <= names:
            raise WeightsError(
                f"{path.name} has the outputs {' '.join(sorted(names))}, need boxes and scores"
            )
        sides = self._session.get_inputs()[0].shape[2:]
        self._size = sides if all(isinstance(side, int) for side in sides) else None

    def find(self, picture: Picture) -> Found:
        """As `capture.camera.people.Detector`."""
        height, width = self._size or _any_size(picture)
        scale = np.array([picture.shape[1] / width, picture.shape[0] / height] * 2)
        blob = cv2.dnn.blobFromImage(picture, 1 / 255, (width, height), swapRB=True)
        name = self._session.get_inputs()[0].name
        boxes, scores = self._session.run(["boxes", "scores"], {name: blob})
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4) * scale
        return boxes, np.asarray(scores, np.float64).reshape(-1)


class OwnMasks:
    """Masks people by a file.

    Raises:
        WeightsError: the file is no such model.
    """

    def __init__(self, path: Path) -> None:
        self._session = _opened(path)
        shape = self._session.get_inputs()[0].shape
        if list(shape[1:]) != [3, MASK_SIZE, MASK_SIZE]:
            raise WeightsError(f"{path.name} takes {shape}, need (1, 3, {MASK_SIZE}, {MASK_SIZE})")

    def look(self, picture: Picture, box: Box) -> Body:
        """As `capture.camera.people.Masker`. A person is there if a mask is."""
        cut, square = cut_around(picture, box)
        blob = np.ascontiguousarray(cut.transpose(2, 0, 1))[None] / np.float32(255)
        soft = self._session.run(None, {self._session.get_inputs()[0].name: blob})[0]
        mask = np.asarray(soft, np.float32).reshape(MASK_SIZE, MASK_SIZE)
        return body_of(cut, mask, square, presence=1.0, ankles=1.0)


def _any_size(picture: Picture) -> tuple[int, int]:
    scale = _ANY_SIZE / max(picture.shape[:2])
    return round(picture.shape[0] * scale / 32) * 32, round(picture.shape[1] * scale / 32) * 32


def _opened(path: Path) -> onnxruntime.InferenceSession:
    _require_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _BROKEN as error:
        raise WeightsError(f"{path} is no ONNX model: {error}") from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
