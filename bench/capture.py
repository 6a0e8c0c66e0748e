"""How many of the people in a video are found, frame by frame.

python -m bench.capture clips/boxes.csv --reference results/street_boxes.csv

The reference was labelled by eye: 60 frames of the sample `vtest.avi` of OpenCV (Debian's package
opencv-doc), every thirteenth. Detections with a low threshold were drawn; wrong ones were taken
out, merged and displaced ones redrawn, missed people added. People of whom less than about half is
seen count neither as found nor as missed (`counts` 0).
"""

import csv
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from bench.measuring.options import Json
from capture.track.assignment import greedy
from capture.track.boxes import iou
from gait.cli import run
from gait.errors import DataError

MATCHED = 0.5
"""IoU from which a box shows a person of the reference."""

Rows = dict[int, list[tuple[NDArray[np.float64], bool]]]


@dataclass(frozen=True)
class Found:
    """How boxes compare with a reference.

    Args:
        people: of the reference that count.
        found: of them.
        wrong: boxes that show nobody of the reference.
        recall, precision: 0..1.
    """

    people: int
    found: int
    wrong: int
    recall: float
    precision: float


def compare(boxes: Rows, reference: Rows, tall: float) -> Found:
    """Counts, over the frames of the reference.

    Boxes and people lower than `tall` count for nothing, but a box that shows such a person is not
    wrong.

    Args:
        boxes: by frame.
        reference: by frame; whether each counts.
        tall: pixels.
    """
    people = found = wrong = 0
    for frame, known in reference.items():
        want = np.array([box for box, _ in known]).reshape(-1, 4)
        counts = np.array([each for _, each in known], bool) & (_heights(want) >= tall)
        got = np.array([box for box, _ in boxes.get(frame, [])]).reshape(-1, 4)
        shared = iou(got, want)
        # Those who count come first: a box may show two people who stand together.
        costs = np.where(shared >= MATCHED, 2 - shared - counts, np.inf)
        pairs = greedy(costs)
        matched = {row for row, _ in pairs}
        people += int(counts.sum())
        found += sum(bool(counts[column]) for _, column in pairs)
        left = [row for row in range(len(got)) if row not in matched]
        wrong += sum(_heights(got[[row]])[0] >= tall for row in left)
    recall, precision = found / max(people, 1), found / max(found + wrong, 1)
    return Found(people, found, int(wrong), round(recall, 3), round(precision, 3))


def read_boxes(path: Path) -> Rows:
    """Boxes by frame, of a capture or of a reference.

    Raises:
        DataError: the file has other columns.
    """
    rows = Rows()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                box = np.array([float(row[name]) for name in ("x0", "y0", "x1", "y1")])
                rows.setdefault(int(row["frame"]), []).append((box, row.get("counts", "1") == "1"))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is no list of boxes: {error!r}") from error
    return rows


def _heights(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(boxes[:, 3] - boxes[:, 1])


def command(
    boxes: Annotated[Path, tyro.conf.Positional],
    reference: Path,
    tall: float = 60.0,
    json: Json = False,
) -> None:
    """Recall and precision of boxes at IoU 0.5.

    Args:
        boxes: of a capture, boxes.csv.
        reference: boxes of people as they are.
        tall: people lower than this many pixels do not count.
        json: print as JSON.
    """
    found = compare(read_boxes(boxes), read_boxes(reference), tall)
    if json:
        print(dumps(asdict(found)))
    else:
        print(
            f"{found.found} of {found.people} people found, recall {found.recall}; "
            f"{found.wrong} wrong boxes, precision {found.precision}"
        )


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m bench.capture")


if __name__ == "__main__":
    run(main)
