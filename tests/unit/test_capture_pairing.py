"""Tracks of a camera and of a LiDAR: which are the same person, and the dataset made of them."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from capture import pair
from capture.pairing import pack
from capture.pairing.calibration import Calibration, read_calibration
from capture.pairing.pack import same_moments, view_of, write_people
from capture.pairing.pairing import Pair, Seen, pair_clips, people_of, read_clips
from capture.pairing.people import copy_people, read_people
from gait.dataset import dataset_style
from gait.errors import LayoutError, SensorPlacementError
from gait.range_style import RangeStyle

AHEAD = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
MATRIX = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def own(**changed: object) -> str:
    """Our YAML of a camera that looks along x from the LiDAR's place."""
    placed = np.eye(4)
    placed[:3, :3] = AHEAD
    content = {"camera_matrix": MATRIX.tolist(), "lidar_to_camera": placed.tolist()} | changed
    return yaml.safe_dump(content)


def test_a_point_ahead_is_in_the_middle_and_one_to_the_left_is_left(tmp_path: Path) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(own(camera_later=0.5))
    found = read_calibration(path)
    pixels = found.pixels(np.array([[10.0, 0, 0], [10, 1, 0], [10, 0, 1], [-10, 0, 0]]))
    assert np.allclose(pixels[:3], [[320, 240], [270, 240], [320, 190]])
    assert np.isnan(pixels[3]).all()
    assert found.camera_later == 0.5


def test_kitti_of_objects_and_of_raw_recordings(tmp_path: Path) -> None:
    projection = np.column_stack([MATRIX, [45.0, 0, 0]])
    rows = {"P2": projection, "R0_rect": np.eye(3), "Tr_velo_to_cam": np.c_[AHEAD, [0.1, 0.2, 0.3]]}
    text = "".join(f"{k}: {' '.join(map(str, v.ravel()))}\n" for k, v in rows.items())
    path = tmp_path / "calib.txt"
    path.write_text("calib_time: 09-Jan-2012 13:57:47\n" + text)
    seen = AHEAD @ [10, 1, 0] + [0.1, 0.2, 0.3]
    wanted = projection @ np.append(seen, 1)
    assert np.allclose(read_calibration(path).pixels(np.array([[10.0, 1, 0]])),
                       wanted[:2] / wanted[2])  # fmt: skip
    raw = {"P_rect_02": projection, "R": AHEAD, "T": np.array([0.1, 0.2, 0.3])}
    path.write_text("".join(f"{k}: {' '.join(map(str, v.ravel()))}\n" for k, v in raw.items()))
    assert np.allclose(read_calibration(path).pixels(np.array([[10.0, 1, 0]])),
                       wanted[:2] / wanted[2])  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "camera_matrix: 3",
        "just words",
        own(lidar_to_camera=np.diag([1.0, 1, 2, 1]).tolist()),
        own(lidar_to_camera=np.diag([1.0, 1, -1, 1]).tolist()),
        own(unknown=1),
        own() + own(),
        ":\n - ][",
    ],
)
def test_what_is_no_calibration_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_text(text)
    with pytest.raises(SensorPlacementError, match=r"calibration\.yaml"):
        read_calibration(path)


def test_a_missing_file_and_a_kitti_file_without_numbers(tmp_path: Path) -> None:
    with pytest.raises(SensorPlacementError, match="cannot be read"):
        read_calibration(tmp_path / "none.yaml")
    (tmp_path / "calib.txt").write_text("P9: 1 2 3\n")
    with pytest.raises(SensorPlacementError, match="none of"):
        read_calibration(tmp_path / "calib.txt")


CALIBRATION = Calibration(MATRIX @ np.column_stack([AHEAD, np.zeros(3)]))
TIMES = np.arange(30) / 10


def lidar_clip(name: str, ahead: float, start: float, speed: float) -> Seen:
    """Somebody who walks along y."""
    y = start + speed * TIMES
    x = np.full_like(y, ahead)
    boxes = np.column_stack([x - 0.2, y - 0.3, x + 0.2, y + 0.3])
    return Seen({"name": name}, Path(name), TIMES, boxes, np.array([-1.8, -0.1]))


def camera_clip(name: str, other: Seen, later: float = 0.0, aside: float = 0.0) -> Seen:
    """The same person as the camera sees them."""
    at = (other.boxes[:, :2] + other.boxes[:, 2:]) / 2
    feet, head = (
        CALIBRATION.pixels(np.column_stack([at, np.full(len(at), z)])) for z in other.heights
    )
    half = (feet[:, 1] - head[:, 1]) / 6
    boxes = np.column_stack([head[:, 0] - half, head[:, 1], feet[:, 0] + half, feet[:, 1]]) + aside
    return Seen({"name": name}, Path(name), TIMES - later, boxes, np.full(2, np.nan))


WALKERS = [lidar_clip("l0", 6.0, -2.0, 1.2), lidar_clip("l1", 9.0, 2.0, -1.3)]


def test_each_camera_clip_finds_its_lidar_clip() -> None:
    cameras = [camera_clip("c1", WALKERS[1]), camera_clip("c0", WALKERS[0])]
    pairs = pair_clips(cameras, WALKERS, CALIBRATION)
    assert [(p.camera.clip["name"], p.lidar.clip["name"]) for p in pairs] == [
        ("c1", "l1"),
        ("c0", "l0"),
    ]
    assert max(pair.apart for pair in pairs) < 0.05


def test_recordings_that_began_at_different_moments() -> None:
    cameras = [camera_clip("c0", WALKERS[0], later=0.5)]
    later = Calibration(CALIBRATION.projection, camera_later=0.5)
    assert len(pair_clips(cameras, WALKERS, later)) == 1


def test_a_wrong_calibration_is_said() -> None:
    cameras = [camera_clip("c0", WALKERS[0], aside=400.0)]
    with pytest.raises(SensorPlacementError, match="check the calibration"):
        pair_clips(cameras, WALKERS, CALIBRATION)


def test_recordings_of_other_times_are_said() -> None:
    cameras = [camera_clip("c0", WALKERS[0], later=60.0)]
    with pytest.raises(
        SensorPlacementError, match=r"-60\.0 to -57\.1 s, .* 0\.0 to 2\.9 s; .*later"
    ):
        pair_clips(cameras, WALKERS, CALIBRATION)
    assert pair_clips([], WALKERS, CALIBRATION) == []


def test_two_people_side_by_side_are_not_guessed() -> None:
    twins = [lidar_clip("l0", 6.0, -2.0, 1.2), lidar_clip("l1", 6.0, -2.1, 1.2)]
    assert pair_clips([camera_clip("c0", twins[0], aside=7.0)], twins, CALIBRATION) == []


def test_clips_that_share_a_partner_are_one_person() -> None:
    cameras = [camera_clip(name, WALKERS[0]) for name in ("c0", "c1")]
    cameras.append(camera_clip("c2", WALKERS[1]))
    people = people_of(pair_clips(cameras, WALKERS, CALIBRATION))
    assert sorted(len(each) for each in people) == [1, 2]


def test_moments_are_the_same_within_a_tenth_of_a_second() -> None:
    camera, lidar = np.array([0.0, 0.04, 0.1, 0.3]), np.array([0.01, 0.11, 0.2, 0.31])
    rows, columns = same_moments(camera, lidar)
    assert rows.tolist() == [0, 2, 3]
    assert columns.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("at", "ahead", "view"),
    [
        ((8, 0), (-1, 0), "000"),
        ((8, 0), (0, 1), "090"),
        ((8, 0), (1, 0), "180"),
        ((8, 0), (0, -1), "270"),
        ((0, 8), (0, -1), "000"),
        ((-6, 6), (1, 1), "270"),
        ((8, 0), (-1, -0.9), "315"),
        ((8, 0), (-1, -0.1), "000"),
    ],
)
def test_views_are_the_sides_from_which_walkers_are_seen(
    at: tuple[float, float], ahead: tuple[float, float], view: str
) -> None:
    middles = np.array(at) + np.linspace(-1, 1, 9)[:, None] * np.array(ahead)
    assert view_of(np.column_stack([middles - 0.3, middles + 0.3])) == view


def some_pairs(folder: Path) -> list[Pair]:
    """Three pairs with files of their own."""
    pairs = []
    for number, walker in enumerate([*WALKERS, WALKERS[0]]):
        camera = camera_clip(f"c{number}", walker)
        sides = [
            replace(each, clip={"name": f"{side}{number}"}, file=folder / f"{side}{number}.npz")
            for side, each in (("c", camera), ("l", walker))
        ]
        for each in sides:
            each.file.write_text(each.file.name)
        pairs.append(Pair(sides[0], sides[1], 0.0))
    return pairs


def test_people_may_be_named_put_together_and_deleted(tmp_path: Path) -> None:
    out, pairs = tmp_path / "people", some_pairs(tmp_path)
    copied = copy_people([[pair] for pair in pairs], out)
    assert copied == read_people(pairs, out) == {f"000{n}": [pairs[n]] for n in range(3)}
    (out / "0000").rename(out / "anna")
    for clip in (out / "0002").iterdir():
        clip.rename(out / "anna" / clip.name)
    shutil.rmtree(out / "0001")
    assert read_people(pairs, out) == {"anna": [pairs[0], pairs[2]]}


def test_a_folder_may_be_put_whole_into_that_of_the_same_person(tmp_path: Path) -> None:
    out, pairs = tmp_path / "people", some_pairs(tmp_path)
    copy_people([[pair] for pair in pairs], out)
    (out / "0002").rename(out / "0000" / "0002")
    (out / "anna").mkdir()
    (out / "0001").rename(out / "anna" / "0001")
    assert read_people(pairs, out) == {"0000": [pairs[0], pairs[2]], "anna": [pairs[1]]}


def test_people_of_other_recordings_or_torn_apart_are_said(tmp_path: Path) -> None:
    out, pairs = tmp_path / "people", some_pairs(tmp_path)
    copy_people([[pair] for pair in pairs], out)
    clip = out / "0000" / "camera-c0.npz"
    clip.rename(out / "0001" / clip.name)
    with pytest.raises(LayoutError, match="into one folder"):
        read_people(pairs, out)
    pairs[1].lidar.file.write_text("another")
    with pytest.raises(LayoutError, match="of other recordings"):
        read_people(pairs[1:], out)
    with pytest.raises(LayoutError, match="no pair"):
        read_people([], out)


def captured(folder: Path, clip: Seen, modality: str) -> Path:
    """A folder of capture.run with one clip."""
    (folder / "0001").mkdir(parents=True)
    frames = np.zeros((len(TIMES), 2, 3)) + np.array([[6.0, 0, -1.8], [6.0, 0, -0.1]])
    np.savez(folder / "0001" / "walk.npz", frames=frames)
    told = {
        "name": "0001", "person": 1, "file": "0001/walk.npz", "modality": modality,
        "seconds": clip.seconds.tolist(), "boxes": clip.boxes.tolist(),
    }  # fmt: skip
    (folder / "tracks.json").write_text(json.dumps({"clips": [told]}))
    return folder


def test_by_a_wrong_calibration_the_command_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = captured(tmp_path / "camera", camera_clip("0001", WALKERS[0]), "silhouette")
    lidar = captured(tmp_path / "lidar", WALKERS[0], "range_view")
    out, file = tmp_path / "people", tmp_path / "calibration.yaml"
    arguments = ["--camera", camera, "--lidar", lidar, "--calibration", file, "--out", out]
    monkeypatch.setattr(sys, "argv", ["pair", *map(str, arguments)])
    turned = np.eye(4)
    turned[:3, :3] = [[0, 1, 0], [0, 0, -1], [-1, 0, 0]]  # the camera looks the other way
    for wrong in (own(lidar_to_camera=turned.tolist()), own(camera_later=2.0)):
        file.write_text(wrong)
        with pytest.raises(SensorPlacementError, match="check the calibration"):
            pair.main()
        assert not out.exists()
    file.write_text(own())
    pair.main()
    assert (out / "0000" / "camera-0001.npz").is_file()


def test_a_capture_whose_folders_were_renamed_is_said(tmp_path: Path) -> None:
    folder = captured(tmp_path / "lidar", WALKERS[0], "range_view")
    (folder / "0001").rename(folder / "anna")
    with pytest.raises(LayoutError, match="names: 0001; pair before"):
        read_clips(folder, "range_view")


@pytest.mark.parametrize(("people", "tested"), [(1, 0), (2, 1), (3, 2), (5, 2), (12, 3)])
def test_a_quarter_of_the_people_is_for_testing_those_seen_from_most_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: int, tested: int
) -> None:
    back = replace(WALKERS[0], boxes=WALKERS[0].boxes[::-1])
    there, again = (Pair(camera_clip("c", one), one, 0.0) for one in (WALKERS[0], back))
    monkeypatch.setattr(pack, "_write", lambda *_: True)
    both = {f"{number:04d}": [there, again] for number in range(tested)}
    once = {f"{number:04d}": [there] for number in range(tested, people)}
    assert write_people(both | once, 0.0, tmp_path, 10) == people + tested
    assert dataset_style(tmp_path) is RangeStyle.BINS, "as they are drawn here"
    partition = json.loads((tmp_path / "partition.json").read_text())
    assert partition == {"TRAIN_SET": [*once], "TEST_SET": [*both]}
