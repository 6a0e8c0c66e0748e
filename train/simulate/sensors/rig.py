"""The sensors of one sequence: which LiDAR and camera, where they are, and their faults."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gait.lidar import KNOWN, LidarSensor, evenly
from train.simulate.sensors.camera import FOCAL, SOFTNESS
from train.simulate.sensors.lidar import OWN, Raster, raster_of
from train.simulate.sensors.mask_faults import WITHOUT_FAULTS, MaskFaults, draw_faults
from train.simulate.sensors.scene import CAMERA_BELOW, LIDAR_HEIGHT

PERSON = 1.7
"""Metres."""

FEWEST_ROWS = 5.0
"""Rows of a LiDAR on a person; a sensor that has fewer at that distance is not drawn."""

LOWEST_PICTURE = 28.0
"""Pixels that a person is high at least."""

RATES = (5.0, 30.0)
"""Frames a second."""


@dataclass(frozen=True, eq=False)
class Rig:
    """What sees one sequence.

    Args:
        raster: of the LiDAR.
        lidar_height: metres above the ground.
        ground: metres about the feet of which the ground is left in the points; 0: none.
        camera_height: metres above the ground.
        turn: yaw, pitch and roll of the camera, radians.
        focal: of the camera, pixels.
        softness: of the segmenter's borders, pixels of the picture.
        faults: of the segmenter.
    """

    raster: Raster = OWN
    lidar_height: float = LIDAR_HEIGHT
    ground: float = 0.0
    camera_height: float = LIDAR_HEIGHT - CAMERA_BELOW
    turn: tuple[float, float, float] | None = None
    focal: float = FOCAL
    softness: float = SOFTNESS
    faults: MaskFaults = WITHOUT_FAULTS


RigAt = Callable[[float, np.random.Generator], Rig]
"""The sensors of a walk by its distance in metres, from the randomness of the walk."""


def one_rig(distance: float, rng: np.random.Generator) -> Rig:  # noqa: ARG001
    """The same sensors for every sequence."""
    return Rig()


def with_lidar(rig_at: RigAt, sensor: LidarSensor) -> RigAt:
    """The same sensors for every sequence, but with this LiDAR."""
    raster = raster_of(sensor)
    return lambda distance, rng: replace(rig_at(distance, rng), raster=raster)


def draw_rate(rng: np.random.Generator) -> float:
    """Frames a second: 10 in a third of the sequences, else anything within `RATES`."""
    return 10.0 if rng.random() < 1 / 3 else float(np.exp(rng.uniform(*np.log(RATES))))


def draw_rig(distance: float, rng: np.random.Generator) -> Rig:
    """The sensors of a sequence at random.

    Args:
        distance: of the walker, metres.
        rng: of the sequence.
    """
    sensor = draw_sensor(distance, rng)
    height = float(np.exp(rng.uniform(np.log(1.0), np.log(4.0))))
    aim = np.arctan2(height - PERSON / 2, distance) * rng.choice([0.0, 1.0], p=[0.3, 0.7])
    turn = (rng.normal(0, 0.15), aim + rng.normal(0, 0.06), rng.normal(0, 0.025))
    focal = float(np.exp(rng.uniform(np.log(120), np.log(FOCAL))))
    return Rig(
        raster=raster_of(sensor),
        lidar_height=float(rng.uniform(0.6, 2.2)),
        ground=float(rng.uniform(0.2, 1.6)) if rng.random() < 0.3 else 0.0,
        camera_height=height,
        turn=(float(turn[0]), float(turn[1]), float(turn[2])),
        focal=max(focal, LOWEST_PICTURE * distance / PERSON),
        faults=draw_faults(rng),
    )


def draw_sensor(distance: float, rng: np.random.Generator) -> LidarSensor:
    """A LiDAR that is named, or any other with 16 to 128 beams: one that can see the walker."""
    seen = np.degrees(np.arctan2(PERSON, distance))
    while True:
        sensor = _known(rng) if rng.random() < 0.5 else _any(rng)
        step = sensor.row_step
        if step is None or seen / step >= FEWEST_ROWS:
            return sensor


def _known(rng: np.random.Generator) -> LidarSensor:
    sensor = KNOWN[str(rng.choice(list(KNOWN)))]
    noise, lost = rng.uniform(0.5, 2) * sensor.noise, rng.uniform(0, 0.15)
    return sensor.model_copy(update={"noise": float(noise), "lost": float(lost)})


def _any(rng: np.random.Generator) -> LidarSensor:
    beams = round(float(np.exp(rng.uniform(np.log(16), np.log(128)))))
    span, up = rng.uniform(20, 45), rng.uniform(2, 15)
    return LidarSensor(
        elevations=evenly(up - span, up, beams),
        azimuth_step=float(rng.uniform(0.1, 0.4)),
        noise=float(np.exp(rng.uniform(np.log(0.005), np.log(0.05)))),
        lost=float(rng.uniform(0, 0.3)),
    )
