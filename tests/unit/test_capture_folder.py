"""A folder of results is of one recording, with one set of options, and of one writer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture import run, watch
from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.people import networks_used
from capture.lidar.capture import LidarCapture, LidarSettings
from capture.lidar.recording import LidarFormat, metadata_of
from capture.output.lock import LOCK, writing
from capture.output.recorder import Recorder
from capture.source.fingerprint import fingerprint
from capture.source.video import Recording, frames
from gait.cli import run as command
from gait.errors import CaptureStateError, ConfigError, StorageError, WeightsError
from gait.modality import Modality
from tests.lidar_scenes import Figure, cloud
from tests.street_videos import ColourDetector, ColourMasks, Walker, write_video
from tests.unit.test_capture_camera import piece_of

pytestmark = pytest.mark.serving

LONE = (Walker((30, 40, 220), 20, 4.0),)
FRAMES, SCANS = 30, 24


def recorder(out: Path, **source: Any) -> Recorder:
    return Recorder(out, Modality.SILHOUETTE, {"recording": "short", "keep": 5} | source, 5)


def clips_in(out: Path) -> list[str]:
    return sorted(path.parent.name for path in out.glob("*/walk.npz"))


def killed(out: Path, saved: int, after: int) -> None:
    """Leaves a folder as a capture does that is killed some clips after it saved, or before."""
    cut = recorder(out)
    for track in range(saved + after):
        cut.piece(track, piece_of(8))
        if track + 1 == saved:
            cut.save("{}")
    cut.close()


@pytest.mark.parametrize("changed", [{"recording": "other"}, {"keep": 20}])
def test_what_a_killed_capture_left_is_not_taken_for_another_ones(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    killed(tmp_path, saved=0, after=4)
    ((name, value),) = changed.items()
    with pytest.raises(CaptureStateError, match=rf"unfinished capture.*{name} \(.* → {value}\)"):
        recorder(tmp_path, **changed)
    assert len(clips_in(tmp_path)) == 4


@pytest.mark.parametrize("saved", [0, 2])
def test_clips_after_what_was_saved_are_forgotten(tmp_path: Path, saved: int) -> None:
    killed(tmp_path, saved=saved, after=3)
    own = tmp_path / f"000{saved + 3}" / "notes.txt"
    own.write_text("somebody's own")
    again = recorder(tmp_path)
    assert again.clips == saved
    assert clips_in(tmp_path) == ["0001", "0002"][:saved]
    assert own.exists()
    assert not (tmp_path / f"000{saved + 1}").exists()
    assert [clip["name"] for clip in again.finish()["clips"]] == clips_in(tmp_path)


@pytest.mark.parametrize("name", ["0007", "007", "2025", "3"])
def test_a_numbered_folder_of_somebody_else_stays_as_it_is(tmp_path: Path, name: str) -> None:
    killed(tmp_path, saved=1, after=2)
    own = tmp_path / name / "walk.npz"
    own.parent.mkdir()
    own.write_bytes(b"somebody's own")
    again = recorder(tmp_path)
    assert sorted({"0001", name}) == clips_in(tmp_path)
    again.clips = 6
    if name == "0007":
        with pytest.raises(CaptureStateError, match=f"{own} was not written by this capture; move"):
            again.piece(7, piece_of(8))
    again.close()
    assert own.read_bytes() == b"somebody's own"


@pytest.mark.parametrize("stopped", [".0002.jpg.part", ".walk.npz.part"])
def test_a_clip_that_was_half_written_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    killed(tmp_path, saved=1, after=0)
    replace = Path.replace

    def stop(path: Path, target: Path) -> Path:
        if path.name == stopped:
            raise KeyboardInterrupt
        return replace(path, target)

    cut = recorder(tmp_path)
    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        cut.piece(1, piece_of(8))
    monkeypatch.setattr(Path, "replace", replace)
    cut.close()
    again = recorder(tmp_path)
    again.piece(1, piece_of(8))
    assert [clip["name"] for clip in again.finish()["clips"]] == clips_in(tmp_path)
    assert clips_in(tmp_path) == ["0001", "0002"]


def test_clips_of_which_nothing_says_whose_they_are_stop_a_capture(tmp_path: Path) -> None:
    killed(tmp_path, saved=0, after=1)
    shutil.rmtree(tmp_path / ".work")
    with pytest.raises(CaptureStateError, match="such as 0001; give another folder by --out"):
        recorder(tmp_path)


def test_files_that_an_older_version_left_are_named(tmp_path: Path) -> None:
    killed(tmp_path, saved=1, after=0)
    saved = tmp_path / ".work" / "state.json"
    saved.write_text(json.dumps({"source": {"recording": "short"}, "state": "{}"}))
    with pytest.raises(CaptureStateError, match=r"keep \(not noted → 5\)"):
        recorder(tmp_path)
    saved.write_text('{"source": 3}')
    with pytest.raises(CaptureStateError, match=f"delete {tmp_path} and"):
        recorder(tmp_path)


def test_a_state_or_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    killed(tmp_path, saved=1, after=0)
    again: Any = recorder(tmp_path)
    with pytest.raises(CaptureStateError, match="another version"):
        LidarCapture(again, LidarSettings(), again)
    with pytest.raises(CaptureStateError, match="another version"):
        CameraCapture(Recording("", 10.0, 1), CameraSettings(), again, again, again)
    again.close()
    (tmp_path / "boxes.csv").unlink()
    with pytest.raises(CaptureStateError, match=r"boxes\.csv has 0 bytes"):
        recorder(tmp_path)


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    """A folder of clouds in which one person passes."""
    folder = tmp_path / "clouds"
    folder.mkdir()
    for scan in range(SCANS):
        points = cloud((Figure(6.0, -1.5, 0.12),), scan)
        np.pad(points.astype("<f4"), ((0, 0), (0, 1))).tofile(folder / f"{scan:03d}.bin")
    return folder


def captured(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["run", *map(str, words)])
    run.main()


def test_another_recording_of_the_same_name_is_another_one(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "clouds", tmp_path / "b" / "clouds"
    for folder, value in ((one, b"a"), (two, b"b")):
        folder.mkdir(parents=True)
        (folder / "000.bin").write_bytes(value * 160)
    assert fingerprint(one) != fingerprint(two)
    moved = one.rename(tmp_path / "moved")
    first = fingerprint(moved)
    (moved / "out").mkdir()
    (moved / "out" / "tracks.json").write_text("{}")
    (moved / ".hidden").write_text("")
    assert fingerprint(moved, without=moved / "out") == first
    assert fingerprint(moved) != first
    (moved / "000.bin").rename(moved / "001.bin")
    assert fingerprint(moved, without=moved / "out") != first


def test_links_in_a_recording_are_followed_once(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "kitti", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "000.bin").write_bytes(b"a" * 160)
    (folder / "velodyne").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder)
    (folder / "gone.bin").symlink_to(tmp_path / "nowhere")
    first = fingerprint(folder)
    (elsewhere / "000.bin").write_bytes(b"b" * 160)
    assert fingerprint(folder) != first


def test_both_ends_of_a_large_file_count(tmp_path: Path) -> None:
    file, size = tmp_path / "walk.mp4", 5 << 20
    seen = set()
    for place in (None, 0, size - 1):
        data = bytearray(size)
        if place is not None:
            data[place] = 1
        file.write_bytes(data)
        seen.add(fingerprint(file))
    file.write_bytes(bytes(size + 1))
    assert len({*seen, fingerprint(file)}) == 4


def test_a_finished_capture_is_not_given_out_for_other_options(
    clouds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = (clouds, "--out", tmp_path / "out", "--keep", "10", "--json")
    captured(monkeypatch, *asked)
    first = capsys.readouterr().out
    (tmp_path / "b").mkdir()
    clouds = clouds.rename(tmp_path / "b" / "clouds")
    captured(monkeypatch, clouds, *asked[1:])
    assert capsys.readouterr().out == first
    for option in (("--columns", "4"), ("--topic", "a"), ("--model", "VLP16"), ("--up=-z",)):
        with pytest.raises(CaptureStateError, match="finished capture of another"):
            captured(monkeypatch, clouds, *asked[1:], *option)
    (clouds / "003.bin").write_bytes((clouds / "002.bin").read_bytes())
    with pytest.raises(CaptureStateError, match="content"):
        captured(monkeypatch, clouds, *asked[1:])
    with pytest.raises(ConfigError, match="the recording itself"):
        captured(monkeypatch, clouds, "--out", clouds)


@pytest.mark.parametrize(
    ("option", "field"),
    [
        (("--reach", "nan"), "reach"),
        (("--reach", "-1"), "reach"),
        (("--keep", "0"), "keep"),
        (("--columns", "0"), "columns"),
    ],
)
def test_numbers_that_cannot_be_are_named_before_anything_is_written(
    clouds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: tuple[str, str],
    field: str,
) -> None:
    with pytest.raises(SystemExit, match="1"):
        command(lambda: captured(monkeypatch, clouds, "--out", tmp_path / "out", *option))
    err = capsys.readouterr().err
    assert err.startswith(f"error [config.invalid]: {field}: Input should be")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option", [("--windows", "0"), ("--window", "1"), ("--cooldown", "nan"), ("--attempts", "-1")]
)
def test_numbers_that_cannot_be_are_named_before_anything_is_watched(
    monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    words = ["watch", "nowhere", "--service", "http://127.0.0.1:1", "--purpose", "x", *option]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(ConfigError, match=f"got {option[0]} .*, need . or more"):
        watch.main()


def test_the_metadata_of_packets_belong_to_the_recording(tmp_path: Path) -> None:
    packets, own = tmp_path / "walk.pcap", tmp_path / "own.json"
    assert metadata_of(packets, LidarFormat()) is None
    packets.with_suffix(".json").write_text("{}")
    assert metadata_of(packets, LidarFormat()) == packets.with_suffix(".json")
    assert metadata_of(packets, LidarFormat(metadata=own)) == own
    assert metadata_of(tmp_path / "walk", LidarFormat()) is None


def test_networks_are_told_apart_by_what_is_in_their_files(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    with pytest.raises(WeightsError, match="there is no file"):
        networks_used(own)
    used = [networks_used()]
    for content in (b"1", b"2"):
        own.write_bytes(content)
        used += [networks_used(own), networks_used(None, own)]
    assert len({tuple(each) for each in used}) == 5


def test_a_video_that_is_missing_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    monkeypatch.setattr(run, "networks", lambda *_: (ColourDetector(LONE), ColourMasks(LONE)))
    out = tmp_path / "out"
    asked = (video, "--out", out, "--keep", "10")
    captured(monkeypatch, *asked, "--no-video")
    assert not (out / "boxes.mp4").exists()
    captured(monkeypatch, *asked)
    drawn = out / "boxes.mp4"
    assert len(list(frames(str(drawn)))) == FRAMES
    drawn.unlink()
    monkeypatch.setattr(run, "networks", None)  # nobody is looked for again
    captured(monkeypatch, *asked)
    assert len(list(frames(str(drawn)))) == FRAMES
    assert not list(out.glob(".*.part"))


def unlockable(out: Path) -> None:
    """Makes that the lock of a folder cannot be opened, as on a disk that is only read."""
    (out / LOCK).unlink(missing_ok=True)
    (out / LOCK).mkdir(parents=True)


def test_a_finished_capture_is_shown_where_nothing_can_be_written(
    clouds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    monkeypatch.setattr(run, "networks", lambda *_: (ColourDetector(LONE), ColourMasks(LONE)))
    for number, source in enumerate((clouds, video)):
        asked = (source, "--out", tmp_path / f"out{number}", "--keep", "10")
        captured(monkeypatch, *asked)
        first = capsys.readouterr().out
        unlockable(tmp_path / f"out{number}")
        captured(monkeypatch, *asked)
        assert capsys.readouterr().out == first
    (tmp_path / "out1" / "boxes.mp4").unlink()
    captured(monkeypatch, *asked, "--no-video")
    assert capsys.readouterr().out == first
    unlockable(tmp_path / "new")
    for words in (asked, (clouds, "--out", tmp_path / "new")):
        with pytest.raises(StorageError, match=r"cannot write into .*; give another folder by"):
            captured(monkeypatch, *words)


HOLD = """
import sys, time
from pathlib import Path
from capture.output.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_two_captures_do_not_write_into_one_folder(
    clouds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, env=environment
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(CaptureStateError, match="another capture is writing here"):
                captured(monkeypatch, clouds, "--out", out)
            assert [path.name for path in out.iterdir()] == [".lock"]
        finally:
            other.kill()
    with writing(out):
        pass
    captured(monkeypatch, clouds, "--out", out, "--keep", "10")
    assert clips_in(out)


def test_the_lock_of_a_capture_covers_all_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    monkeypatch.setattr(run, "networks", lambda *_: (ColourDetector(LONE), ColourMasks(LONE)))
    out, tried = tmp_path / "out", list[str]()

    def held(*_: object) -> None:
        with pytest.raises(CaptureStateError, match="another capture"), writing(out):
            pass
        tried.append("held")

    monkeypatch.setattr(run, "draw_boxes", held)
    captured(monkeypatch, video, "--out", out, "--keep", "10")
    assert tried == ["held"]
