"""Writes the recordings of a simulated street, and who was where.

| in the folder | |
|---|---|
| `camera.mp4` | the camera's video, 10 frames a second |
| `lidar/000000.bin` … | the LiDAR's turns in KITTI's format, and `lidar/times.txt` |
| `calibration.yaml` | where the camera stands to the LiDAR |
| `truth.csv` | who was where in each frame |
| `simulation.json` | how it was made; that it is simulated |
"""

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import yaml
from annotated_types import Ge
from av.codec.context import Flags
from av.video.stream import VideoStream

from gait.dataset import SIMULATION
from gait.errors import LayoutError
from gait.frozen import Frozen
from gait.progress import progress
from train.simulate.identity import Identity
from train.simulate.movement.motion import RATE
from train.simulate.street.sensors import (
    CAMERA_AT,
    FOCAL,
    HEIGHT_PX,
    WIDTH,
    open_camera,
    open_lidar,
)
from train.simulate.street.walkers import plan, present

_COLUMNS = ("frame", "seconds", "person", "x", "y", "x0", "y0", "x1", "y1", "seen")


class StreetConfig(Frozen):
    """A street to simulate.

    Args:
        passes: walks of each person across the street.
        frames: of both recordings, ten a second.
        seed: of everything that is not the people.
    """

    passes: Annotated[int, Ge(1)] = 2
    frames: Annotated[int, Ge(20)] = 900
    seed: Annotated[int, Ge(0)] = 0


def write_street(config: StreetConfig, people: list[Identity], out: Path) -> None:
    """Simulates both recordings of one street.

    Args:
        config: see there.
        people: who walks.
        out: a new folder.

    Raises:
        LayoutError: the folder holds something.
        ConfigError: the people do not fit into the time.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise LayoutError(f"{out} is not empty; give another folder")
    rng = np.random.default_rng(config.seed)
    passes = plan(people, config.passes, config.frames, rng)
    (out / "lidar").mkdir()
    camera, lidar = open_camera(rng), open_lidar()
    with (
        av.open(str(out / "camera.mp4"), "w") as video,
        (out / "truth.csv").open("w", newline="") as file,
        progress() as bar,
    ):
        stream = video.add_stream("libx264", rate=Fraction(RATE), options={"crf": "16"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT_PX, "yuv420p"
        stream.codec_context.flags |= Flags.bitexact  # x264's threads must not decide what it is
        truth = csv.writer(file)
        truth.writerow(_COLUMNS)
        task = bar.add_task("simulating", total=config.frames, note="")
        for frame, now in enumerate(present(passes, config.frames)):
            points = lidar.scan(now, rng)
            padded = np.column_stack([points, np.zeros(len(points), np.float32)])
            padded.astype("<f4").tofile(out / "lidar" / f"{frame:06d}.bin")
            picture, boxes, seen = camera.photograph(now, rng)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            for each, box, part in zip(now, boxes, seen, strict=True):
                where = [round(float(value), 3) for value in each.feet]
                pixels = ["", "", "", ""] if box is None else [round(value, 1) for value in box]
                truth.writerow([frame, frame / RATE, each.person, *where, *pixels, round(part, 3)])
            bar.advance(task, 1)
        video.mux(stream.encode())
    _describe(config, len(people), out)


def _describe(config: StreetConfig, people: int, out: Path) -> None:
    times = "".join(f"{frame / RATE:.6f}\n" for frame in range(config.frames))
    (out / "lidar" / "times.txt").write_text(times)
    ahead_to_optical = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    moved = np.column_stack([ahead_to_optical, -ahead_to_optical @ CAMERA_AT])
    calibration = {
        "camera_matrix": [[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT_PX / 2], [0.0, 0.0, 1.0]],
        "lidar_to_camera": [*moved.tolist(), [0.0, 0.0, 0.0, 1.0]],
        "camera_later": 0.0,
    }
    (out / "calibration.yaml").write_text(yaml.safe_dump(calibration, default_flow_style=None))
    record = {"simulated": True, "street": True, "people": people, **config.model_dump()}
    (out / SIMULATION).write_text(json.dumps(record, indent=2) + "\n")
