"""A simulated street, a camera and a LiDAR: tracks, pairs, and a dataset made of them.

The networks that find people are not in the repository. Here a detector that was told where people
are, and masks by the difference from the empty street, take their place.
"""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.street import follow
from capture import pair, run
from capture.camera.blazepose import MASK_SIZE, Body, colours_of
from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.ssdlite import Found, Picture
from capture.output.recorder import Recorder
from capture.source.video import describe
from capture.track.boxes import Box
from gait.modality import Modality
from gait.sustech1k import find_sequences, load_clip
from train.simulate.config import SimulateConfig
from train.simulate.street.write import StreetConfig, write_street
from train.simulate.studio import open_studio

FRAMES = 150


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stick figures who each cross the street once."""
    out = tmp_path_factory.mktemp("street") / "street"
    studio = open_studio(SimulateConfig(body="capsules", subjects=2))
    people = [studio.person(index) for index in range(2)]
    write_street(StreetConfig(passes=1, frames=FRAMES, seed=3), people, out)
    return out


class TruthDetector:
    """Boxes of those of whom half is seen, one frame after the other."""

    def __init__(self, truth: Path) -> None:
        self._boxes: dict[int, list[list[float]]] = defaultdict(list)
        with truth.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["x0"] and float(row["seen"]) > 0.5:
                    box = [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
                    self._boxes[int(row["frame"])].append(box)
        self._next = 0

    def find(self, picture: Picture) -> Found:  # noqa: ARG002
        """The next frame's boxes."""
        boxes = np.array(self._boxes[self._next]).reshape(-1, 4)
        self._next += 1
        return boxes, np.full(len(boxes), 0.9)


class DifferenceMasks:
    """What differs from the empty street."""

    def __init__(self, empty: Picture) -> None:
        self._empty = empty.astype(np.int16)

    def look(self, picture: Picture, box: Box) -> Body:
        """As `capture.camera.blazepose.BodyMask`."""
        off = np.abs(picture.astype(np.int16) - self._empty).max(axis=2) > 24
        middle = (box[:2] + box[2:]) / 2
        side = 1.25 * float((box[2:] - box[:2]).max())
        left, top = middle - side / 2
        steps = (np.arange(MASK_SIZE) + 0.5) * side / MASK_SIZE
        rows, columns = (top + steps).astype(int), (left + steps).astype(int)
        inside = np.zeros((MASK_SIZE, MASK_SIZE), bool)
        good = (rows >= 0) & (rows < len(off)), (columns >= 0) & (columns < off.shape[1])
        inside[np.ix_(*good)] = off[np.ix_(rows[good[0]], columns[good[1]])]
        beside = (columns < box[0] - 2) | (columns > box[2] + 2)
        inside[:, beside] = False
        mask = inside.astype(np.uint8) * np.uint8(255)
        square = np.zeros((MASK_SIZE, MASK_SIZE, 3), np.uint8)
        square[np.ix_(*good)] = picture[np.ix_(rows[good[0]], columns[good[1]])][..., ::-1]
        tight = box if inside.sum() > 200 else None
        where = (float(middle[0]), float(middle[1]), side)
        return Body(mask, where, tight, 1.0, 1.0, False, colours_of(square, mask))


def empty_picture(street: Path) -> NDArray[np.uint8]:
    """The median of all frames."""
    from capture.source.video import frames

    some = [f.picture for f in frames(str(street / "camera.mp4")) if f.index % 15 == 0]
    return np.asarray(np.median(np.stack(some), axis=0), np.uint8)


@pytest.fixture(scope="module")
def by_camera(street: Path) -> Path:
    """What the camera's video shows."""
    out = street / "by-camera"
    settings = CameraSettings(every=1, detect=1, threads=1)
    recorder = Recorder(out, Modality.SILHOUETTE, {}, settings.keep)
    recording = describe(str(street / "camera.mp4"))
    detector = TruthDetector(street / "truth.csv")
    masks = DifferenceMasks(empty_picture(street))
    CameraCapture(recording, settings, detector, masks, recorder).run()
    recorder.finish()
    return out


@pytest.fixture(scope="module")
def by_lidar(street: Path) -> Path:
    """What the LiDAR's clouds show, by the command."""
    out = street / "by-lidar"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["run", str(street / "lidar"), "--out", str(out)])
        run.main()
    return out


@pytest.mark.slow
def test_the_lidar_follows_everybody_without_a_switch(street: Path, by_lidar: Path) -> None:
    found, _ = follow(street / "truth.csv", by_lidar)
    assert found.people == (2, 2)
    assert (found.mixed, found.switches, found.wrong) == (0, 0, 0)
    assert found.recall > 0.9


@pytest.mark.slow
def test_pairs_are_the_same_people_and_make_a_dataset(
    street: Path, by_camera: Path, by_lidar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, dataset = street / "people", street / "dataset"
    options = {
        "--camera": by_camera, "--lidar": by_lidar, "--out": out, "--dataset": dataset,
        "--calibration": street / "calibration.yaml",
    }  # fmt: skip
    words = [str(word) for option in options.items() for word in option]
    monkeypatch.setattr(sys, "argv", ["pair", *words])
    pair.main()
    facts = json.loads((out / "pairs.json").read_text())
    assert facts["pairs"] >= 2
    _, camera = follow(street / "truth.csv", by_camera)
    _, lidar = follow(street / "truth.csv", by_lidar)
    for person in facts["people"]:
        shown = {camera[name] for name in person["camera"]}
        shown |= {lidar[name] for name in person["lidar"]}
        assert len(shown) == 1
    sequences = find_sequences(dataset)
    assert len(sequences) == facts["sequences"] >= 2
    for sequence in sequences:
        clips = [load_clip(sequence, modality) for modality in Modality]
        assert len(clips[0]) == len(clips[1]) >= 10
