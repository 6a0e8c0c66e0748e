"""Shapes that are no walking person, and move: what a clip's quality has to tell from people."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.silhouette import align

FRAMES = 12
_SIDE = 200
_MIDDLE = _SIDE // 2

Mask = NDArray[np.uint8]
Painter = Callable[[Mask, float, NDArray[np.float64]], None]
"""Paints one frame: the picture, a phase that goes round as the shape moves, and eight numbers in
0..1 that say which shape of its kind it is."""


def other_shapes(count: int, seed: int = 0) -> NDArray[np.bool_]:
    """Clips of shapes `(n, 12, 64, 64)`, as many of each kind.

    Args:
        count: of each of the kinds in `KINDS`.
        seed: of all of them.
    """
    rng = np.random.default_rng(seed)
    clips = [draw(paint, rng) for paint in KINDS.values() for _ in range(count)]
    return np.stack(clips)


def draw(paint: Painter, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One clip `(12, 64, 64)`, aligned as silhouettes are."""
    frames, which, start = [], rng.random(8), rng.random()
    for place in range(FRAMES):
        frame = np.zeros((_SIDE, _SIDE), np.uint8)
        paint(frame, 2 * np.pi * (start + place / 8), which)
        frames.append(frame)
    lit: NDArray[np.bool_] = align(np.stack(frames)).frames[:, 0] >= 128
    return lit[np.arange(FRAMES) % len(lit)]


def _width(phase: float, which: NDArray[np.float64]) -> float:
    return float((15 + 65 * which[0]) * (1 + 0.3 * which[1] * np.sin(phase)))


def _turn(phase: float, which: NDArray[np.float64]) -> float:
    return float(30 * (which[2] - 0.5) + 25 * which[3] * np.sin(phase))


def _box(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    size = (2 * _width(phase, which), 150.0)
    corners = cv2.boxPoints(((_MIDDLE, _MIDDLE), size, _turn(phase, which)))
    cv2.fillPoly(frame, [corners.astype(np.int32)], (255,))


def _ellipse(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    axes = (int(_width(phase, which)), 80)
    cv2.ellipse(frame, (_MIDDLE, _MIDDLE), axes, _turn(phase, which), 0, 360, (255,), -1)


def _triangle(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    width, tip = _width(phase, which), 20 if which[4] < 0.5 else 180
    corners = [(_MIDDLE - width, 200 - tip), (_MIDDLE + width, 200 - tip), (_MIDDLE, tip)]
    cv2.fillPoly(frame, [np.array(corners, np.int32)], (255,))


def _star(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    """A polygon of eight corners at any distances."""
    angles = np.arange(8) * np.pi / 4 + which[7]
    reach = (20 + 70 * which) * (1 + 0.3 * which[1] * np.sin(phase + angles))
    corners = _MIDDLE + np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)
    cv2.fillPoly(frame, [corners.astype(np.int32)], (255,))


def _animal(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    long, high = 40 + 35 * which[0], 12 + 18 * which[4]
    cv2.ellipse(frame, (_MIDDLE, 90), (int(long), int(high)), 0, 0, 360, (255,), -1)
    head = (int(_MIDDLE + long * (1 if which[5] < 0.5 else -1)), int(70 - 20 * which[6]))
    cv2.circle(frame, head, int(10 + 12 * which[7]), (255,), -1)
    for place in (-0.8, -0.6, 0.6, 0.8):
        swing = 15 * np.sin(phase + 9 * place)
        foot = (int(_MIDDLE + place * long + swing), int(115 + 50 * which[3]))
        cv2.line(frame, (int(_MIDDLE + place * long), 90), foot, (255,), int(6 + 6 * which[2]))


def _vehicle(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    long, high = 50 + 40 * which[0], int(15 + 50 * which[4])
    left, right = int(_MIDDLE - long), int(_MIDDLE + long * (1 + 0.05 * np.sin(phase)))
    cv2.rectangle(frame, (left, 100), (right, 140), (255,), -1)
    roof = (int(left + 0.6 * which[5] * long), int(right - 0.6 * which[6] * long))
    cv2.rectangle(frame, (roof[0], 100 - high), (roof[1], 100), (255,), -1)
    for middle in (left + 25, right - 25):
        cv2.circle(frame, (middle, 142), 15, (255,), -1)


def _cyclist(frame: Mask, phase: float, which: NDArray[np.float64]) -> None:
    wheel, apart = int(22 + 12 * which[0]), int(35 + 15 * which[1])
    for middle in (_MIDDLE - apart, _MIDDLE + apart):
        cv2.circle(frame, (middle, 160), wheel, (255,), int(3 + 5 * which[2]))
    lean = int(40 * (which[3] - 0.5))
    saddle, neck = (_MIDDLE - 10, 115), (_MIDDLE + lean, int(60 - 10 * which[4]))
    cv2.line(frame, (_MIDDLE - apart, 160), saddle, (255,), 5)
    cv2.line(frame, saddle, neck, (255,), int(20 + 15 * which[5]))
    cv2.line(frame, neck, (_MIDDLE + apart, 115), (255,), 7)
    cv2.circle(frame, (neck[0], neck[1] - 20), 12, (255,), -1)
    foot = (int(_MIDDLE + 12 * np.cos(phase)), int(160 + 12 * np.sin(phase)))
    cv2.line(frame, saddle, foot, (255,), 13)


KINDS: dict[str, Painter] = {
    "box": _box,
    "ellipse": _ellipse,
    "triangle": _triangle,
    "star": _star,
    "animal": _animal,
    "vehicle": _vehicle,
    "cyclist": _cyclist,
}
