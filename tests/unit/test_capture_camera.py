"""A camera's recording into clips: tracks, cuts where people cross, going on after a stop."""

import csv
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from capture.camera.blazepose import Body
from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.people import Seen
from capture.camera.tracker import CameraTracks
from capture.output.recorder import Recorder, finished_tracks
from capture.source.video import describe
from capture.track.pieces import LONGEST
from capture.track.sighting import Sighting
from gait.decode.clip import decode_clip
from gait.errors import CaptureStateError
from gait.modality import Modality
from tests.street_videos import ColourDetector, ColourMasks, Walker, write_video

pytestmark = pytest.mark.serving

LONE = (Walker((30, 40, 220), 20, 4.0),)
CROSSING = (
    Walker((30, 40, 220), 20, 4.0),
    Walker((220, 60, 30), 300, -4.0, back=4),
)
FRAMES = 66


class Nobody:
    """A sink that keeps nothing."""

    state: str | None = None

    def boxes(self, settled: list[tuple[int, Sighting]]) -> None: ...
    def piece(self, track: int, sightings: Sequence[Sighting], least_size: float = 0) -> None: ...
    def ended(self, track: int) -> None: ...
    def save(self, state: str) -> None: ...


class StopError(Exception):
    """The capture is stopped from outside."""


def capture(
    video: Path,
    out: Path,
    walkers: tuple[Walker, ...],
    stop: int | None = None,
    told: list[int] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Captures a video; stops as if killed when so many frames are done.

    `told` gets the progress that is told.
    """
    chosen = CameraSettings(**({"threads": 1, "keep": 10} | settings))
    recording = describe(str(video))
    recorder = Recorder(out, Modality.SILHOUETTE, {"video": video.name}, chosen.keep)
    detector, masks = ColourDetector(walkers), ColourMasks(walkers)
    run = CameraCapture(recording, chosen, detector, masks, recorder)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if told is not None and count:
            told.append(count)
        if done % 10 == 0:
            run.save()
        if stop is not None and done >= stop:
            raise StopError

    try:
        run.run(advance)
    finally:
        recorder.close()
    return recorder.finish()


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two people who cross."""
    return write_video(tmp_path_factory.mktemp("video") / "two.mkv", CROSSING, FRAMES)


def test_one_walker_is_one_clip_that_the_decoder_reads(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    found = capture(video, tmp_path / "out", LONE)
    (clip,) = found["clips"]
    assert clip["frames"] == FRAMES
    decoded = decode_clip((tmp_path / "out" / clip["file"]).read_bytes())
    assert decoded.clip.modality is Modality.SILHOUETTE
    assert decoded.frames_used == FRAMES


def test_people_who_cross_are_cut_there_and_never_mixed(crossing: Path, tmp_path: Path) -> None:
    found = capture(crossing, tmp_path / "out", CROSSING)
    assert len(found["clips"]) == 4
    for clip in found["clips"]:
        moved = clip["boxes"][-1][0] - clip["boxes"][0][0]
        steps = clip["last_frame"] - clip["first_frame"]
        assert abs(abs(moved / steps) - 4.0) < 1.0  # each clip keeps its direction


def test_boxes_follow_the_people(crossing: Path, tmp_path: Path) -> None:
    capture(crossing, tmp_path / "out", CROSSING)
    with (tmp_path / "out" / "boxes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["frame"] == "10"]
    middles = sorted((float(row["x0"]) + float(row["x1"])) / 2 for row in rows)
    assert np.allclose(middles, [CROSSING[0].at(10), CROSSING[1].at(10)], atol=4)


@pytest.mark.parametrize("stop", [7, 40])
def test_an_interrupted_capture_goes_on_to_the_same_result(
    crossing: Path, tmp_path: Path, stop: int
) -> None:
    whole = capture(crossing, tmp_path / "whole", CROSSING)
    with pytest.raises(StopError):
        capture(crossing, tmp_path / "cut", CROSSING, stop=stop)
    again = capture(crossing, tmp_path / "cut", CROSSING)
    assert again["clips"] == whole["clips"]
    for name in ["boxes.csv", *(clip["file"] for clip in whole["clips"])]:
        first, second = (tmp_path / each / name for each in ("whole", "cut"))
        if name.endswith(".npz"):
            assert np.array_equal(np.load(first)["frames"], np.load(second)["frames"])
        else:
            assert first.read_text() == second.read_text()


@dataclass(frozen=True)
class Panned(Walker):
    """A walker in the picture of a camera that turns evenly and trembles."""

    turn: float = 0.0
    tremble: float = 0.0

    def at(self, frame: int) -> float:
        """Where its middle is in the picture."""
        shaken = self.tremble * np.sin(frame * 2.1)
        return super().at(frame) - self.turn * frame + float(shaken)


@pytest.mark.parametrize(("turn", "tremble"), [(0.0, 8.0), (7.0, 0.0), (-1.0, 5.0), (4.0, 6.0)])
def test_people_are_followed_by_a_camera_that_moves(
    tmp_path: Path, turn: float, tremble: float
) -> None:
    start = 20.0 if turn < 4 else 280.0 - 4 * 40 + (turn - 4) * 40
    moved = (Panned((30, 40, 220), start, 4.0, turn=turn, tremble=tremble),)
    video = write_video(tmp_path / "moved.mkv", moved, 40)
    (clip,) = capture(video, tmp_path / "out", moved)["clips"]
    assert clip["frames"] >= 38


def test_people_who_cross_before_a_camera_that_moves_are_never_mixed(tmp_path: Path) -> None:
    moved = tuple(
        Panned(each.colour, each.start, each.speed, back=each.back, turn=1.5, tremble=5.0)
        for each in CROSSING
    )
    video = write_video(tmp_path / "moved.mkv", moved, 56)
    found = capture(video, tmp_path / "out", moved)
    assert len(found["clips"]) >= 3
    for clip in found["clips"]:
        seconds = np.array(clip["seconds"])
        middles = np.array(clip["boxes"])[:, [0, 2]].mean(axis=1)
        speed = np.polyfit(seconds * 10, middles, 1)[0] + 1.5
        assert min(abs(speed - 4), abs(speed + 4)) < 1.5


@pytest.mark.parametrize("frame", [25, 26])
def test_after_a_jerk_of_the_camera_people_are_found_again(tmp_path: Path, frame: int) -> None:
    class Jerked(Walker):
        def at(self, now: int) -> float:
            return super().at(now) + (50.0 if now >= frame else 0.0)

    jerked = (Jerked((30, 40, 220), 20, 4.0),)
    video = write_video(tmp_path / "jerked.mkv", jerked, 56)
    clips = capture(video, tmp_path / "out", jerked)["clips"]
    assert 1 <= len(clips) <= 2
    assert sum(clip["frames"] for clip in clips) >= 40
    assert clips[-1]["last_frame"] == 55


def test_nobody_is_followed_over_a_pause_of_the_recording(tmp_path: Path) -> None:
    """Files of cameras that record only while something moves have no pictures of the rest."""
    pause = [row / 10 + 2 * (row >= 34) for row in range(FRAMES)]
    video = write_video(tmp_path / "paused.mkv", LONE, FRAMES, seconds=pause)
    found = capture(video, tmp_path / "out", LONE)["clips"]
    assert [(clip["first_frame"], clip["last_frame"]) for clip in found] == [(0, 33), (34, 65)]
    assert found[0]["track"] != found[1]["track"]


def test_another_recording_does_not_go_on_in_the_same_folder(
    crossing: Path, tmp_path: Path
) -> None:
    with pytest.raises(StopError):
        capture(crossing, tmp_path / "out", CROSSING, stop=30)
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    with pytest.raises(CaptureStateError, match="another recording"):
        capture(video, tmp_path / "out", LONE)


def test_a_damaged_list_of_tracks_is_named(tmp_path: Path) -> None:
    assert finished_tracks(tmp_path, {}) is None
    (tmp_path / "tracks.json").write_text("{")
    with pytest.raises(CaptureStateError, match="damaged"):
        finished_tracks(tmp_path, {})


def test_a_finished_capture_is_found_again_but_not_for_another_recording(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, 30)
    found = capture(video, tmp_path / "out", LONE)
    assert finished_tracks(tmp_path / "out", {"video": "one.mkv"}) == found
    assert finished_tracks(tmp_path / "out", {"video": "two.mkv"}) is None
    with pytest.raises(CaptureStateError, match="finished capture of another"):
        capture(video, tmp_path / "out", LONE)


def test_small_and_brief_people_are_left_out(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    assert capture(video, tmp_path / "a", LONE, tall=120)["clips"] == []
    assert capture(video, tmp_path / "b", LONE, keep=FRAMES + 1)["clips"] == []


def test_detection_may_rest_while_people_are_followed(tmp_path: Path) -> None:
    video = write_video(tmp_path / "one.mkv", LONE, FRAMES)
    (often,) = capture(video, tmp_path / "a", LONE, detect=1)["clips"]
    (rarely,) = capture(video, tmp_path / "b", LONE, detect=3)["clips"]
    assert often["frames"] == rarely["frames"]


def test_the_page_shows_every_clip_and_needs_no_other_file(crossing: Path, tmp_path: Path) -> None:
    found = capture(crossing, tmp_path / "out", CROSSING)
    page = (tmp_path / "out" / "people.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(found["clips"])
    assert "http" not in page
    assert json.loads((tmp_path / "out" / "tracks.json").read_text()) == found
    assert not (tmp_path / "out" / ".work").exists()


@pytest.mark.parametrize("every", [1, 3])
def test_progress_ends_at_the_length_of_the_recording(
    crossing: Path, tmp_path: Path, every: int
) -> None:
    told: list[int] = []
    capture(crossing, tmp_path / "whole", CROSSING, told=told, every=every)
    assert 0 <= sum(told) - FRAMES < every
    assert len(told) >= FRAMES // every


def test_progress_of_an_interrupted_capture_begins_where_it_was(
    crossing: Path, tmp_path: Path
) -> None:
    with pytest.raises(StopError):
        capture(crossing, tmp_path / "out", CROSSING, stop=40)
    told: list[int] = []
    capture(crossing, tmp_path / "out", CROSSING, told=told)
    assert told[0] == 40
    assert sum(told) == FRAMES


def piece_of(frames: int) -> list[Sighting]:
    """A person who is seen whole in so many frames."""
    mask = np.zeros((256, 256), np.uint8)
    mask[40:220, 100:150] = 255
    png = cv2.imencode(".png", mask)[1].tobytes()
    return [
        Sighting(frame, frame / 10, (10.0, 10.0, 60.0, 130.0), png, 1.0, True, True)
        for frame in range(frames)
    ]


def test_memory_stays_flat_in_the_number_of_people(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Modality.SILHOUETTE, {}, 20)
    piece = piece_of(25)

    def written(pieces: int) -> int:
        for track in range(pieces):
            recorder.piece(track, piece)
            recorder.boxes([(track, each) for each in piece])
        recorder.save("{}")
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = written(10)
        assert written(20) - before < 40_000  # a record of 25 boxes takes some 6,000
    finally:
        tracemalloc.stop()
    assert len(recorder.finish()["clips"]) == recorder.clips == 30


def test_memory_stays_flat_for_somebody_who_never_leaves() -> None:
    tracks, written = CameraTracks(patience=15), 0

    def write(track: int, piece: list[Sighting]) -> None:
        nonlocal written
        written += len(piece)

    mask = np.zeros((256, 256), np.uint8)
    mask[40:220, 100:150] = 255
    colours = np.ones(120) / np.sqrt(120)
    box = np.array([10.0, 10.0, 60.0, 130.0])
    body = Body(mask, (35.0, 70.0, 150.0), box, 1.0, 1.0, False, colours)
    for frame in range(2000):
        tracks.step(frame, frame / 10, [Seen(box, box, body, 0.9, True)], lambda _: [], (200, 200))
        tracks.settle(frame, Nobody(), write, LONGEST)
    (track,) = tracks.live
    assert len(track.pieces.waiting) <= 17
    assert len(track.pieces.open) <= LONGEST
    assert written == 3 * LONGEST


DRAWN = """
import runpy, sys
from capture.camera import people
from tests.street_videos import ColourDetector, ColourMasks, Walker
walkers = {walkers!r}
people.networks = lambda *_: (ColourDetector(walkers), ColourMasks(walkers))
sys.argv = ["run", {video!r}, "--out", {out!r}, "--keep", "10", "--threads", "2"]
runpy.run_module("capture.run", run_name="__main__")
"""


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_to_the_same_files(tmp_path: Path) -> None:
    """People cross again and again; the process is killed after it has saved, and begun anew."""
    walkers = tuple(
        Walker((40 * n + 20, 255 - 40 * n, 90), 20 + 280 * (n % 2), 4.0 - 8 * (n % 2),
               first=begin, last=begin + 68, back=3 * (n % 2))
        for n, begin in enumerate((0, 5, 100, 110, 180, 240))
    )  # fmt: skip
    video = write_video(tmp_path / "street.mkv", walkers, 330)

    def begin(out: str) -> subprocess.Popen[bytes]:
        script = DRAWN.format(walkers=walkers, video=str(video), out=str(tmp_path / out))
        root = Path(__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(root)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    with begin("whole") as whole:
        assert whole.wait(300) == 0
    with begin("cut") as process:
        saved = tmp_path / "cut" / ".work" / "state.json"
        while not saved.exists() or json.loads(saved.read_bytes())["state"] is None:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert not (tmp_path / "cut" / "tracks.json").exists()
    with begin("cut") as again:
        assert again.wait(300) == 0
    names = [p.relative_to(tmp_path / "whole") for p in sorted((tmp_path / "whole").rglob("*.*"))]
    assert len([name for name in names if name.name == "walk.npz"]) >= 6
    for name in names:
        first, second = (tmp_path / each / name for each in ("whole", "cut"))
        if name.suffix == ".npz":
            assert np.array_equal(np.load(first)["frames"], np.load(second)["frames"]), name
        else:
            assert first.read_bytes() == second.read_bytes(), name
    assert not (tmp_path / "cut" / ".work").exists()
