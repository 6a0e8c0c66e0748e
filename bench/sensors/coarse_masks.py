"""How the masks of distant people differ from those of the same people near by: real and simulated.

python -m bench.sensors.coarse_masks street.avi --boxes results/street_boxes.csv

Real: a picture of the video is made coarser, so that a person in it is so many pixels high; the
segmenter of `capture` looks at both, and the coarse mask is taken at the coarse picture's own
pixels. Simulated: the same for silhouettes of the simulator, with its segmenter on the coarse
pixels. Both are aligned as decoding aligns them. What is told is the median IoU of the aligned
pairs, and the share of people whom decoding keeps.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import tyro
from numpy.typing import NDArray

from bench.capture import read_boxes
from bench.measuring.options import Json
from bench.sensors.variants import CAMERAS, CLEAN_CAMERA, COARSE_SOFTNESS
from bench.sensors.walks import PROBE, walks
from capture.camera.blazepose import BodyMask
from capture.source.video import frames
from capture.weights import MASK, weights_file
from gait.cli import run
from gait.errors import ClipEmptyError, DataError
from gait.modality import SIZE
from gait.silhouette import FOREGROUND, align
from gallery.command_line.table import table
from train.simulate.sensors.camera import SOFTNESS, segment

Mask = NDArray[np.uint8]
Pair = tuple[Mask, Mask | None]
"""An aligned fine mask and the coarse one; None where decoding drops it."""

Sighting = tuple[NDArray[np.uint8], NDArray[np.float64]]
"""A picture `(h, w, 3)` BGR and the box of a person in it."""

ROWS = (48, 32, 24, 16)
SURE = 0.8
"""Presence from which the segmenter is sure that somebody is there."""
EVERY = 24
"""Of the simulated frames one in so many."""


@dataclass(frozen=True)
class Likeness:
    """How like coarse masks are to fine ones.

    Args:
        rows: height of a person in the coarse picture, pixels.
        softness: blur of the simulated segmenter's borders (sigma, pixels); None for the real one.
        people: sightings that were looked at.
        kept: share of them whose coarse mask decoding keeps.
        iou: median over these.
    """

    rows: int
    softness: float | None
    people: int
    kept: float
    iou: float


def likeness(rows: int, softness: float | None, pairs: Iterable[Pair]) -> Likeness:
    """What masks of so many rows are like, of pairs as `simulated` and `real` give them."""
    every = list(pairs)
    ious = [_iou(fine, coarse) for fine, coarse in every if coarse is not None]
    kept, iou = len(ious) / max(1, len(every)), float(np.median(ious or [0.0]))
    return Likeness(rows, softness, len(every), round(kept, 3), round(iou, 3))


def simulated(silhouettes: Iterable[Mask], rows: int, softness: float, seed: int = 0) -> list[Pair]:
    """Silhouettes `(64, 64)` of people as high as the frame, and as a coarse camera sees them."""
    rng, pairs, side, scale = np.random.default_rng(seed), [], rows + 8, SIZE / rows
    for fine in silhouettes:
        aside = (rng.random(2) + 3) * scale  # where on the pixels the person stands
        move = np.array([[1, 0, aside[0]], [0, 1, aside[1]]], np.float32)
        around = cv2.warpAffine(fine, move, (round(side * scale),) * 2)
        covered = cv2.resize(around, (side, side), interpolation=cv2.INTER_AREA)
        mask = np.asarray((covered >= FOREGROUND) * np.uint8(255), np.uint8)[None]
        pairs.append((fine, _aligned(segment(mask, rng, night=False, softness=softness)[0])))
    return pairs


def seen_well(people: Iterable[Sighting], network: BodyMask) -> list[tuple[Sighting, Mask]]:
    """The people in pictures whom the segmenter sees whole and is sure of, and their masks."""
    found = []
    for picture, box in people:
        near = network.look(picture, box)
        fine = None if near.presence < SURE or near.at_edge else _aligned(near.mask)
        if fine is not None:
            found.append(((picture, box), fine))
    return found


def real(people: Iterable[tuple[Sighting, Mask]], rows: int, network: BodyMask) -> Iterator[Pair]:
    """Masks of people as `seen_well` gives them, and of the same pictures made coarser."""
    for (picture, box), fine in people:
        scale = rows / float(box[3] - box[1])
        smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        far = network.look(np.asarray(smaller, np.uint8), box * scale)
        side = max(1, round(far.square[2]))
        covered = cv2.resize(far.mask, (side, side), interpolation=cv2.INTER_AREA)
        yield fine, _aligned(np.asarray((covered >= FOREGROUND) * np.uint8(255), np.uint8))


def _aligned(mask: Mask) -> Mask | None:
    try:
        return np.asarray(align(mask[None]).frames[0, 0], np.uint8)
    except ClipEmptyError:
        return None


def _iou(one: Mask, two: Mask) -> float:
    first, second = one >= FOREGROUND, two >= FOREGROUND
    return float((first & second).sum() / (first | second).sum())


def of_video(video: Path, boxes: Path, tall: float) -> list[Sighting]:
    """Pictures and boxes of the people in a video who count and are so many pixels high.

    Raises:
        DataError: there is nobody, or no list of boxes.
    """
    try:
        known = read_boxes(boxes)
    except OSError as error:
        raise DataError(f"cannot read the boxes of the people, {boxes}: {error}") from error
    found = [
        (frame.picture, box)
        for frame in frames(str(video))
        for box, counts in known.get(frame.index, [])
        if counts and box[3] - box[1] >= tall
    ]
    if not found:
        raise DataError(f"nobody of {boxes} is {tall:g} pixels high or more in {video}")
    return found


def command(
    video: Annotated[Path, tyro.conf.Positional],
    boxes: Path = Path("results/street_boxes.csv"),
    tall: float = 75.0,
    weights: Path | None = None,
    walks_in: Path = Path("work/sensors"),
    json: Json = False,
) -> None:
    """Prints how like coarse masks are to fine ones.

    Args:
        video: a file with people.
        boxes: of them, with the columns of `results/street_boxes.csv`.
        tall: height of the people who are taken, pixels, at least.
        weights: folder of the networks; that of `python -m capture.weights` if not given.
        walks_in: folder where simulated walks are kept.
        json: print JSON.
    """
    network = BodyMask(weights_file(MASK, weights))
    people = seen_well(of_video(video, boxes, tall), network)
    clips, *_ = walks(CAMERAS[CLEAN_CAMERA], CLEAN_CAMERA, PROBE, 40, walks_in)
    silhouettes = [frame[0] for clip in clips for frame in clip.frames][::EVERY]
    found = []
    for rows in ROWS:
        found.append(likeness(rows, None, real(people, rows, network)))
        found += [
            likeness(rows, softness, simulated(silhouettes, rows, softness))
            for softness in (COARSE_SOFTNESS, SOFTNESS)
        ]
    print(dumps([asdict(each) for each in found]) if json else _text(found))


def _text(found: list[Likeness]) -> str:
    lines: list[tuple[Any, ...]] = [
        (
            each.rows,
            "real" if each.softness is None else f"simulated, softness {each.softness:g}",
            each.people,
            f"{each.kept:.0%}",
            each.iou,
        )
        for each in found
    ]
    return table(("rows", "masks", "sightings", "kept", "IoU"), lines)


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m bench.sensors.coarse_masks", description=__doc__)


if __name__ == "__main__":
    run(main)
