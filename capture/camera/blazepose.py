"""BlazePose: a detector of people who are near, and the mask of one person in a square."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera.ssdlite import Found, Picture
from capture.track.boxes import Box, without_doubles
from gait.errors import MissingExtraError

_INPUT = 224
_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells of a side and anchors of each."""

_DOUBLE = 0.4
_STEADY = 30.0
"""Logits beyond this are as good as certain; more would overflow."""

MASK_SIZE = 256
"""Height and width of a mask."""

_AROUND = 1.25
"""Side of the square that is looked at, in heights of the person."""

_ANKLES = slice(27, 29)
_LEAST_PIXELS = 200
_PIECE = 20
"""Pieces of a mask smaller than this fraction of its largest one are dropped."""

_BORDER = 2


class _Network:
    """A TFLite graph, with an interpreter for each thread that uses it."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self._own = threading.local()

    def __call__(self, picture: NDArray[np.float32]) -> dict[tuple[int, ...], NDArray[Any]]:
        """Outputs by shape."""
        if not hasattr(self._own, "interpreter"):
            self._own.interpreter = _interpreter(self._data)
        interpreter = self._own.interpreter
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        return {
            tuple(int(size) for size in each["shape"]): interpreter.get_tensor(each["index"])
            for each in interpreter.get_output_details()
        }


def _interpreter(data: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError(
            "pictures need the package ai-edge-litert: pip install -c constraints.txt '.[camera]'"
        ) from error
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


class NearDetector:
    """Finds large people, in any clothes and from any side; SSDLite misses wide skirts."""

    def __init__(self, path: Path) -> None:
        self._network = _Network(path)
        self._anchors = np.concatenate([_cells(cells, each) for cells, each in _GRIDS])

    def find(self, picture: Picture, least: float = 0.5) -> Found:
        """People in a BGR picture: boxes from rim to hip and as far below, and scores."""
        found = [self._in_square(picture, *square, least) for square in _squares(picture)]
        boxes = np.concatenate([each[0] for each in found])
        scores = np.concatenate([each[1] for each in found])
        kept = without_doubles(boxes, scores, _DOUBLE)
        return boxes[kept], scores[kept]

    def _in_square(
        self, picture: Picture, left: float, top: float, side: float, least: float
    ) -> Found:
        outputs = self._network(_cut(picture, left, top, side, _INPUT) / np.float32(127.5) - 1)
        by_numbers = {shape[-1]: values[0] for shape, values in outputs.items()}
        scores = _sigmoid(by_numbers[1][:, 0]).astype(np.float64)
        likely = scores > least
        points = by_numbers[12][likely].astype(np.float64)
        corner = np.array([left, top])
        hip = (points[:, 4:6] / _INPUT + self._anchors[likely]) * side + corner
        rim = (points[:, 6:8] / _INPUT + self._anchors[likely]) * side + corner
        reach = np.linalg.norm(rim - hip, axis=1)[:, None] * [0.4, 1.0]
        return np.concatenate([hip - reach, hip + reach], axis=1), scores[likely]


def _cells(cells: int, anchors: int) -> NDArray[np.float64]:
    middles = (np.arange(cells) + 0.5) / cells
    grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    return np.repeat(grid, anchors, axis=0)


def _squares(picture: Picture) -> list[tuple[float, float, float]]:
    """Left, top and side: the whole picture with margins, and squares along its longer side."""
    height, width = picture.shape[:2]
    short, long = min(height, width), max(height, width)
    squares = [(-(long - width) / 2, -(long - height) / 2, float(long))]
    if long > 1.1 * short:
        for offset in np.linspace(0, long - short, 2 if long < 1.5 * short else 3):
            at = float(offset)
            squares.append((at, 0.0, short) if width >= height else (0.0, at, short))
    return squares


def _cut(picture: Picture, left: float, top: float, side: float, size: int) -> NDArray[np.float32]:
    """A square of a BGR picture as RGB `(size, size, 3)`, black beyond the picture."""
    scale = size / side
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], dtype=np.float32)
    method = cv2.INTER_AREA if side > 2 * size else cv2.INTER_LINEAR
    square = cv2.warpAffine(picture, move, (size, size), flags=method)
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2RGB), np.float32)


@dataclass(frozen=True, eq=False)
class Body:
    """One person in a square of a picture.

    Args:
        mask: `(256, 256)` uint8, 0..255, of the square.
        square: its middle and its side: `x, y, side`, in pixels of the picture.
        tight: box of the mask in the picture; None if there is hardly a mask.
        presence: 0..1, whether a person is there at all.
        ankles: 0..1, whether an ankle is in the picture.
        at_edge: the mask reaches the square's edge.
        colours: what the person wears, see `colours_of`.
    """

    mask: NDArray[np.uint8]
    square: tuple[float, float, float]
    tight: Box | None
    presence: float
    ankles: float
    at_edge: bool
    colours: NDArray[np.float64]


class BodyMask:
    """The mask of one person; threads may share one."""

    def __init__(self, path: Path) -> None:
        self._network = _Network(path)

    def look(self, picture: Picture, box: Box) -> Body:
        """The person in a box of a BGR picture."""
        cut, square = cut_around(picture, box)
        outputs = self._network(cut / np.float32(255))
        soft = _sigmoid(outputs[1, MASK_SIZE, MASK_SIZE, 1][0, :, :, 0])
        landmarks = outputs[1, 195][0].reshape(39, 5)
        ankles = float(_sigmoid(landmarks[_ANKLES, 4]).max())
        return body_of(cut, soft, square, presence=float(outputs[1, 1][0, 0]), ankles=ankles)


Square = tuple[float, float, float]
"""Middle and side: `x, y, side`, in pixels of the picture."""


def cut_around(picture: Picture, box: Box) -> tuple[NDArray[np.float32], Square]:
    """The square around a person as RGB `(256, 256, 3)` 0..255, and where it lies."""
    middle = (box[:2] + box[2:]) / 2
    side = _AROUND * float((box[2:] - box[:2]).max())
    left, top = middle - side / 2
    where = (float(middle[0]), float(middle[1]), side)
    return _cut(picture, float(left), float(top), side, MASK_SIZE), where


def body_of(
    cut: NDArray[np.float32],
    soft: NDArray[np.float32],
    square: Square,
    *,
    presence: float,
    ankles: float,
) -> Body:
    """A person from a mask 0..1 of a square, see `Body`."""
    mask = _main_piece(np.rint(soft * 255).astype(np.uint8))
    rows, columns = (np.flatnonzero((mask > 127).any(axis=axis)) for axis in (1, 0))
    x, y, side = square
    left, top = x - side / 2, y - side / 2
    return Body(
        mask=mask,
        square=square,
        tight=_in_picture(rows, columns, left, top, side / MASK_SIZE, mask),
        presence=presence,
        ankles=ankles,
        at_edge=bool(len(rows)) and _reaches_edge(rows, columns),
        colours=colours_of(cut.astype(np.uint8), mask),
    )


def _main_piece(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The body, and pieces that are not far smaller."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 127).astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    small = areas < areas[1:].max() / _PIECE
    small[0] = False
    return np.where(small[labels], np.uint8(0), mask)


def _in_picture(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    left: float,
    top: float,
    scale: float,
    mask: NDArray[np.uint8],
) -> Box | None:
    if np.count_nonzero(mask > 127) < _LEAST_PIXELS:
        return None
    ends = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return np.asarray(ends * scale + np.array([left, top, left, top]), np.float64)


def _reaches_edge(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> bool:
    last = MASK_SIZE - 1 - _BORDER
    return bool(min(rows[0], columns[0]) < _BORDER or max(rows[-1], columns[-1]) > last)


def colours_of(picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histograms of hue with saturation and of brightness, of the upper and of the lower half.

    Square roots, scaled so that the product of two of them is 1 for equal colours
    (Bhattacharyya's coefficient).

    Args:
        picture: `(h, w, 3)` RGB.
        mask: `(h, w)` 0..255.
    """
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    rows = np.flatnonzero((mask > 127).any(axis=1))
    parts = []
    for half in np.array_split(rows, 2):
        own = slice(int(half[0]), int(half[-1]) + 1) if len(half) else slice(0, 0)
        sure = (mask[own] > 153).astype(np.uint8)
        for channels, bins, ends in (([0, 1], [12, 4], [0, 180, 0, 256]), ([2], [12], [0, 256])):
            if len(half):
                found = cv2.calcHist([hsv[own]], channels, sure, bins, ends).ravel()
            else:
                found = np.zeros(np.prod(bins), np.float32)
            parts.append(np.sqrt(found / max(found.sum(), 1)))
    return np.asarray(np.concatenate(parts) / 2, np.float64)


def _sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_STEADY, _STEADY))), np.float32)
