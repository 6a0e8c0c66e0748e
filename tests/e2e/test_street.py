"""A simulated street, a camera and a LiDAR: the documented commands from recordings to a model.

The networks that find people are not in the repository. Here a detector that was told where people
are, and masks by the difference from the empty street, take their place.
"""

import csv
import json
import re
import runpy
import shlex
import shutil
import sys
import warnings
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.street import follow
from capture.camera import people
from capture.camera.blazepose import MASK_SIZE, Body, colours_of
from capture.camera.capture import CameraSettings
from capture.camera.ssdlite import Found, Picture
from capture.track.boxes import Box
from gait.modality import Modality
from gait.sustech1k import find_sequences, load_clip
from gallery.opening import open_gallery
from train.checkpoint import build_network, load_checkpoint
from train.data.pack import Pack
from train.simulate.config import SimulateConfig
from train.simulate.street.write import StreetConfig, write_street
from train.simulate.studio import open_studio

PEOPLE, FRAMES = 4, 310
DOCUMENT = Path(__file__).parents[2] / "docs" / "capture.md"
SMALL = ("--optim.iterations", "2", "--batch.subjects", "2", "--run.threads", "1")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stick figures who each cross the street twice."""
    out = tmp_path_factory.mktemp("work") / "street"
    studio = open_studio(SimulateConfig(body="capsules", subjects=PEOPLE))
    walkers = [studio.person(index) for index in range(PEOPLE)]
    write_street(StreetConfig(passes=2, frames=FRAMES, seed=2), walkers, out)
    return out


class TruthDetector:
    """Boxes of those of whom half is seen, in every second frame."""

    def __init__(self, truth: Path) -> None:
        self._boxes: dict[int, list[list[float]]] = defaultdict(list)
        with truth.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["x0"] and float(row["seen"]) > 0.5:
                    box = [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
                    self._boxes[int(row["frame"])].append(box)
        self._next = 0

    def find(self, picture: Picture) -> Found:  # noqa: ARG002
        """The boxes of the next frame in which people are detected."""
        boxes = np.array(self._boxes[self._next]).reshape(-1, 4)
        self._next += CameraSettings().detect
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
def shown() -> list[str]:
    """The lines of the block in the documents that leads from recordings to a trained model."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [each for each in blocks if "train.pack" in each]
    return [str(line) for line in block.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def captured(street: Path, shown: list[str]) -> Path:
    """The folder in which the commands have captured both recordings, beside the street."""
    for line in shown:
        if "capture.run" in line:
            work(street, line)
    return street.parent


def work(street: Path, line: str, *more: str) -> None:
    """Runs a line of the block beside the street's folder, with more options."""
    words = [*shlex.split(line, comments=True), *more]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(street.parent)
        patched.setattr(people, "networks", lambda *_: networks(street))
        if words[:1] == ["cp"]:
            shutil.copy(*words[1:])
            return
        assert words[:2] == ["python", "-m"]
        patched.setattr(sys, "argv", words[2:])
        with warnings.catch_warnings():
            # another test has imported the command; it is run anew all the same
            warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
            with pytest.raises(SystemExit) as ended:
                runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        assert not ended.value.code, line


def networks(street: Path) -> tuple[TruthDetector, DifferenceMasks]:
    """Those that take the real ones' place."""
    return TruthDetector(street / "truth.csv"), DifferenceMasks(empty_picture(street))


def name_people(work: Path) -> None:
    """Puts the folders of one person together, as somebody would who knows them."""
    truth = work / "street" / "truth.csv"
    whose = {side: follow(truth, work / f"by-{side}")[1] for side in ("camera", "lidar")}
    folder = work / "people"
    for person in json.loads((folder / "pairs.json").read_text())["people"]:
        (who,) = {whose[side][clip] for side in whose for clip in person[side]}
        named = folder / f"walker-{who}"
        named.mkdir(exist_ok=True)
        for clip in (folder / person["name"]).iterdir():
            clip.rename(named / clip.name)
        (folder / person["name"]).rmdir()


@pytest.mark.slow
def test_the_lidar_follows_everybody_without_a_switch(captured: Path) -> None:
    found, _ = follow(captured / "street" / "truth.csv", captured / "by-lidar")
    assert found.people == (PEOPLE, PEOPLE)
    assert (found.mixed, found.switches, found.wrong) == (0, 0, 0)
    assert found.recall > 0.9


@pytest.mark.slow
def test_pairs_become_a_dataset_a_model_and_a_gallery(captured: Path, shown: list[str]) -> None:
    street = captured / "street"
    first, *rest = shown[shown.index(next(line for line in shown if "capture.pair" in line)) :]
    work(street, first)
    for line in rest:
        if line.startswith("#"):
            name_people(captured)
        elif "train.run" in line:
            work(street, line, *SMALL)
        else:
            work(street, line)
    facts = json.loads((captured / "people" / "pairs.json").read_text())
    assert {each["name"] for each in facts["people"]} == {f"walker-{n}" for n in range(PEOPLE)}
    sequences = find_sequences(captured / "dataset")
    assert len(sequences) == facts["sequences"] >= 2 * PEOPLE
    for sequence in sequences:
        clips = [load_clip(sequence, modality) for modality in Modality]
        assert len(clips[0]) == len(clips[1]) >= 10
    pack = Pack.open(captured / "packs" / "street")
    assert pack.simulated
    assert len(pack.records) == len(sequences)
    checkpoint = load_checkpoint(captured / "runs" / "street" / "best.pt")
    assert (checkpoint.iteration, len(checkpoint.classes)) == (2, 2)
    assert build_network(checkpoint)
    results = json.loads((captured / "runs" / "street" / "results.json").read_text())
    assert results["simulated"]
    with closing(open_gallery(str(captured / "data/galleries/street"))) as gallery:
        assert gallery.counts().subjects == PEOPLE
