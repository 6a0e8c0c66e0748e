"""Command: pair what a camera and a LiDAR saw in the same place.

python -m capture.pair --camera camera-clips --lidar lidar-clips --calibration calibration.yaml \
    --out people
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from capture.pairing.calibration import read_calibration
from capture.pairing.pack import write_people
from capture.pairing.pairing import Pair, pair_clips, people_of, read_clips
from capture.pairing.people import PAIRS, copy_people, read_people
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
    """A new folder: <person>/ with the clips of both, and pairs.json. Or that of an earlier run, in
    which you renamed the folders, put those of one person together and deleted others."""
    dataset: Path | None = None
    """Also write the pairs as a dataset in SUSTech1K's layout, with a partition.json, for
    train.pack."""
    least: int = 10
    """Frames that a sequence of the dataset must have in both modalities."""
    json: bool = False
    """Print the outcome as JSON."""


def main() -> None:
    """Pairs as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m capture.pair")
    out, dataset = arguments.out, arguments.dataset
    for folder in filter(None, (None if (out / PAIRS).is_file() else out, dataset)):
        if folder.exists() and any(folder.iterdir()):
            raise LayoutError(f"{folder} is not empty; give another folder")
    calibration = read_calibration(arguments.calibration)
    camera = read_clips(arguments.camera, "silhouette")
    lidar = read_clips(arguments.lidar, "range_view")
    pairs = pair_clips(camera, lidar, calibration)
    if (out / PAIRS).is_file():
        people = read_people(pairs, out)
    else:
        people = copy_people(people_of(pairs), out)
    facts = {
        "camera_clips": len(camera),
        "lidar_clips": len(lidar),
        "pairs": sum(map(len, people.values())),
        "people": [_facts(name, own) for name, own in people.items()],
        "sequences": 0,
    }
    if dataset is not None:
        later = calibration.camera_later
        facts["sequences"] = write_people(people, later, dataset, arguments.least)
    out.mkdir(parents=True, exist_ok=True)
    (out / PAIRS).write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts) if arguments.json else _summary(facts, arguments))


def _facts(name: str, pairs: list[Pair]) -> dict[str, object]:
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
