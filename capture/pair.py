"""Command: pair what a camera and a LiDAR saw in the same place.

python -m capture.pair --camera camera-clips --lidar lidar-clips --calibration calibration.yaml \
    --out people
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import tyro

from capture.pairing.calibration import read_calibration
from capture.pairing.pack import write_people
from capture.pairing.pairing import Pair, pair_clips, people_of, read_clips
from gait.cli import run
from gait.errors import LayoutError


@dataclass(frozen=True)
class Arguments:
    """Pairs the tracks of a camera and of a LiDAR, so that people can be enrolled by both."""

    camera: Path
    """Folder of capture.run, of the camera."""
    lidar: Path
    """Folder of capture.run, of the LiDAR."""
    calibration: Path
    """A YAML file with camera_matrix, lidar_to_camera and camera_later, or KITTI's calib.txt."""
    out: Path
    """A new folder: <person>/ with the clips of both, and pairs.json."""
    dataset: Path | None = None
    """Also write the pairs as a dataset in SUSTech1K's layout, for train.pack."""
    least: int = 10
    """Frames that a sequence of the dataset must have in both modalities."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Pairs as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m capture.pair")
    for folder in filter(None, (arguments.out, arguments.dataset)):
        if folder.exists() and any(folder.iterdir()):
            raise LayoutError(f"{folder} is not empty; give another folder")
    calibration = read_calibration(arguments.calibration)
    camera = read_clips(arguments.camera, "silhouette")
    lidar = read_clips(arguments.lidar, "range_view")
    people = people_of(pair_clips(camera, lidar, calibration))
    found = [_copied(number, pairs, arguments.out) for number, pairs in enumerate(people)]
    sequences = 0
    if arguments.dataset is not None:
        sequences = write_people(
            people, calibration.camera_later, arguments.dataset, arguments.least
        )
    facts = {
        "camera_clips": len(camera),
        "lidar_clips": len(lidar),
        "pairs": sum(map(len, people)),
        "people": found,
        "sequences": sequences,
    }
    (arguments.out / "pairs.json").write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts) if arguments.json else _summary(facts, arguments))


def _copied(number: int, pairs: list[Pair], out: Path) -> dict[str, object]:
    """Puts the clips of one person into a folder, as `gallery.build` takes it."""
    name = f"{number:04d}"
    (out / name).mkdir(parents=True)
    clips = {f"camera-{pair.camera.clip['name']}": pair.camera.file for pair in pairs}
    clips |= {f"lidar-{pair.lidar.clip['name']}": pair.lidar.file for pair in pairs}
    for clip, file in clips.items():
        shutil.copyfile(file, out / name / f"{clip}.npz")
    return {
        "name": name,
        "camera": sorted({pair.camera.clip["name"] for pair in pairs}),
        "lidar": sorted({pair.lidar.clip["name"] for pair in pairs}),
        "apart": round(max(pair.apart for pair in pairs), 3),
    }


def _summary(facts: dict[str, object], arguments: Arguments) -> str:
    lines = [
        f"{facts['pairs']} pairs of {facts['camera_clips']} camera and {facts['lidar_clips']} "
        f"LiDAR clips in {arguments.out}"
    ]
    if arguments.dataset is not None:
        lines.append(f"{facts['sequences']} sequences in {arguments.dataset}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
