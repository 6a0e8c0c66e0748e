"""Command: find the people in a recording, and write a clip of each.

python -m capture.run street.mp4 --out clips
python -m capture.run clouds --out clips
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.people import networks, networks_used
from capture.lidar.capture import LidarCapture, LidarSettings
from capture.lidar.recording import LidarFormat, metadata_of, open_lidar
from capture.output.boxes_video import draw_boxes
from capture.output.lock import writing
from capture.output.recorder import Recorder, finished_tracks
from capture.source.fingerprint import fingerprint
from capture.source.scan import ScanSource
from capture.source.video import Recording, describe
from gait.cli import run
from gait.errors import ConfigError
from gait.lidar import Axis
from gait.modality import Modality
from gait.progress import progress

_NOBODY = {
    Modality.SILHOUETTE: "nobody of --tall pixels or more was seen in --keep pictures",
    Modality.RANGE_VIEW: "nobody of 1.0 to 2.2 m was seen to walk on the ground in --keep scans; "
    "points must be in metres, z must point up, or say which axis does, such as --up=-z, and .bin "
    "files have four numbers a point, or say how many by --columns",
}


@dataclass(frozen=True)
class Arguments:
    """Finds the people in a recording and writes a clip of each; interrupted, it goes on."""

    source: Annotated[str, tyro.conf.Positional]
    """A video file of any container or a folder of pictures; or of a LiDAR a folder of clouds, one
    of KITTI or nuScenes, a ROS bag, an .mcap, or a .pcap of a Velodyne or an Ouster."""
    out: Path
    """Folder of the results: <clip>/walk.npz, tracks.json, boxes.csv, people.html, boxes.mp4."""
    weights: Path | None = None
    """Folder of the networks that `python -m capture.weights` fetched. For pictures."""
    detector: Path | None = None
    """An ONNX detector of your own instead, see docs/capture.md."""
    masks: Path | None = None
    """An ONNX model of your own for masks instead."""
    keep: int = 20
    """Frames that a clip must have."""
    tall: int = 60
    """People lower than this many pixels are left out. For pictures."""
    every: int | None = None
    """Look at one of so many pictures; by default some 12 to 25 are looked at each second."""
    threads: int | None = None
    """Threads; by default as many as cores, at most four. For pictures."""
    video: bool = True
    """Also write the recording with boxes, boxes.mp4. For pictures."""
    reach: float = 30.0
    """Metres; who is further away is left out. For a LiDAR."""
    fixed: bool | None = None
    """The LiDAR stands, so that its background can be learnt; found out by default."""
    up: Axis = Axis.PLUS_Z
    """Axis of a LiDAR's points that points up."""
    topic: str | None = None
    """Topic of a bag that has clouds in several."""
    columns: int | None = None
    """Numbers of each point of .bin files; 4 by default, 5 in nuScenes' files."""
    model: str | None = None
    """Velodyne of a .pcap, such as VLP16; found in the packets by default."""
    metadata: Path | None = None
    """JSON file of an Ouster; by default the one that has the name of its .pcap."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Captures as the command line says."""
    config = (tyro.conf.EnumChoicesFromValues,)
    arguments = tyro.cli(Arguments, prog="python -m capture.run", config=config)
    found, modality = _captured(arguments)
    print(json.dumps(found) if arguments.json else _summary(found, modality, arguments.out))


def _captured(arguments: Arguments) -> tuple[dict[str, Any], Modality]:
    said = LidarFormat(
        topic=arguments.topic,
        columns=arguments.columns,
        model=arguments.model,
        metadata=arguments.metadata,
        up=arguments.up,
    )
    lidar = open_lidar(Path(arguments.source), said)
    if lidar is None:
        return _pictures(arguments), Modality.SILHOUETTE
    return _clouds(arguments, lidar, said), Modality.RANGE_VIEW


def _pictures(arguments: Arguments) -> dict[str, Any]:
    recording = describe(arguments.source)
    if recording.live:
        raise ConfigError(f"{arguments.source} has no end; use python -m capture.watch")
    settings = CameraSettings(
        tall=arguments.tall,
        keep=arguments.keep,
        every=arguments.every,
        threads=arguments.threads,
    )
    said = {"rate": round(recording.rate, 3), **settings.model_dump(exclude={"threads"})}
    used = networks_used(arguments.detector, arguments.masks)
    said["networks"] = [sha256[:16] for sha256 in used]
    source = _same_source(arguments, said)
    found = finished_tracks(arguments.out, source)
    if found is not None and not _has_to_draw(arguments):
        return found
    with writing(arguments.out):
        found = finished_tracks(arguments.out, source)  # another capture may have ended just now
        if found is None:
            found = _found_in_pictures(arguments, recording, settings, source)
        if _has_to_draw(arguments):
            _draw(arguments, recording)
    return found


def _found_in_pictures(
    arguments: Arguments, recording: Recording, settings: CameraSettings, source: dict[str, Any]
) -> dict[str, Any]:
    detector, masker = networks(arguments.weights, arguments.detector, arguments.masks)
    every = settings.stride(recording.rate)
    recorder = Recorder(arguments.out, Modality.SILHOUETTE, source, settings.keep, every)
    capture = CameraCapture(recording, settings, detector, masker, recorder)
    _with_progress(capture.run, "find", recording.count, recorder)
    return recorder.finish()


def _has_to_draw(arguments: Arguments) -> bool:
    """Whether the video with boxes is missing; of a finished capture it can be drawn later."""
    there = {each for each in ("boxes.csv", "boxes.mp4") if (arguments.out / each).exists()}
    return arguments.video and there == {"boxes.csv"}


def _draw(arguments: Arguments, recording: Recording) -> None:
    boxes, out = arguments.out / "boxes.csv", arguments.out / "boxes.mp4"
    with progress() as bar:
        task = bar.add_task("draw", total=recording.count, note="")
        draw_boxes(arguments.source, boxes, out, recording.rate, lambda n: bar.advance(task, n))


def _clouds(arguments: Arguments, lidar: ScanSource, said: LidarFormat) -> dict[str, Any]:
    settings = LidarSettings(keep=arguments.keep, reach=arguments.reach, fixed=arguments.fixed)
    metadata = metadata_of(Path(arguments.source), said)
    options = settings.model_dump() | said.model_dump(mode="json", exclude={"metadata"})
    options["metadata"] = None if metadata is None else fingerprint(metadata)
    source = _same_source(arguments, options)
    if (found := finished_tracks(arguments.out, source)) is not None:
        return found
    with writing(arguments.out):
        if (found := finished_tracks(arguments.out, source)) is not None:
            return found  # another capture has ended just now
        recorder = Recorder(arguments.out, Modality.RANGE_VIEW, source, settings.keep)
        capture = LidarCapture(lidar, settings, recorder)
        _with_progress(capture.run, "find", lidar.count, recorder)
        return recorder.finish()


def _with_progress(
    work: Callable[[Callable[[int], None]], None], name: str, count: int | None, recorder: Recorder
) -> None:
    with progress() as bar:
        task = bar.add_task(name, total=count, note="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            bar.update(task, note=f"{recorder.clips} clips")

        try:
            work(advance)
        finally:
            recorder.close()


def _same_source(arguments: Arguments, said: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for a capture to go on, or to be found finished.

    The recording may have been moved to another folder.
    """
    path = Path(arguments.source)
    if path.resolve() == arguments.out.resolve():
        raise ConfigError(f"--out is the recording itself, {path}; give another folder")
    size = path.stat().st_size if path.is_file() else None
    content = fingerprint(path, without=arguments.out)
    return {"recording": path.name, "bytes": size, "content": content, **said}


def _summary(found: dict[str, Any], modality: Modality, out: Path) -> str:
    clips = found["clips"]
    lines = [
        f"{each['name']}  person {each['person']:<4} {each['begins']:>7.1f} to "
        f"{each['ends']:>7.1f} s  {each['frames']:>4} frames  quality {each['quality']:.2f}"
        f"  {' '.join(each['quality_reasons'])}"
        for each in clips
    ]
    if not clips:
        lines.append(_NOBODY[modality])
    return "\n".join([*lines, f"{len(clips)} clips in {out}, pictures in {out / 'people.html'}"])


if __name__ == "__main__":
    run(main)
