"""What a LiDAR is: its beams, its steps and its noise, and how the axes of its files lie.

The named ones have the values of their makers' data sheets, rounded where those list every beam.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from gait.errors import ConfigError
from gait.frozen import Frozen
from gait.plain_yaml import load_yaml

Degrees = tuple[float, ...]


class Axis(StrEnum):
    """An axis of the coordinates in a file of points."""

    PLUS_X = "+x"
    MINUS_X = "-x"
    PLUS_Y = "+y"
    MINUS_Y = "-y"
    PLUS_Z = "+z"
    MINUS_Z = "-z"

    @property
    def direction(self) -> NDArray[np.float64]:
        """Its unit vector."""
        sign = 1.0 if self.startswith("+") else -1.0
        return sign * np.asarray(np.eye(3)["xyz".index(self[1])], np.float64)


class LidarSensor(Frozen):
    """A LiDAR that measures a person over a raster of beams and azimuth steps, or irregularly.

    Args:
        elevations: of the beams, degrees, rising; None for an irregular pattern.
        azimuth_step: degrees between two measurements of a beam.
        noise: standard deviation of a distance, metres.
        lost: share of the directions on a person from which nothing returns.
        forward: the axis of its files that points at the walker, if it is always the same.
        up: the axis of its files that points up, likewise.
    """

    elevations: Degrees | None = None
    azimuth_step: Annotated[float, Field(ge=0.01, le=5)] = 0.2
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    lost: Annotated[float, Field(ge=0, lt=1)] = 0.02
    forward: Axis | None = None
    up: Axis | None = None

    @field_validator("elevations")
    @classmethod
    def _rising(cls, elevations: Degrees | None) -> Degrees | None:
        if elevations is not None and (len(elevations) < 2 or min(np.diff(elevations)) <= 0):
            raise ValueError("need two or more elevations, rising")
        return elevations

    @property
    def row_step(self) -> float | None:
        """Degrees between the beams about the horizon, where people are; None if irregular."""
        if self.elevations is None:
            return None
        beams = np.array(self.elevations)
        near = beams[np.argsort(np.abs(beams))[: max(2, len(beams) // 4)]]
        return float(np.median(np.diff(np.sort(near))))


def evenly(lowest: float, highest: float, beams: int) -> Degrees:
    """Elevations of beams that lie equally far apart."""
    return tuple(np.linspace(lowest, highest, beams).round(4).tolist())


def _joined(*parts: NDArray[np.floating]) -> Degrees:
    return tuple(np.unique(np.concatenate(parts).round(4)).tolist())


KNOWN: dict[str, LidarSensor] = {
    "velodyne-vlp16": LidarSensor(elevations=evenly(-15, 15, 16), noise=0.03),
    "velodyne-hdl32": LidarSensor(elevations=evenly(-30.67, 10.67, 32), azimuth_step=0.16),
    "velodyne-hdl64": LidarSensor(
        elevations=_joined(np.linspace(-24.33, -8.83, 32), np.linspace(-8.33, 2, 32)),
        azimuth_step=0.17,
    ),
    "velodyne-vls128": LidarSensor(
        elevations=_joined(
            np.linspace(-25, -10.1, 22, endpoint=False),
            np.arange(92) * 0.2 - 10.1,
            np.linspace(8.6, 15, 14),
        ),
        noise=0.025,
    ),
    "ouster-os0-64": LidarSensor(elevations=evenly(-45, 45, 64), azimuth_step=0.35),
    "ouster-os0-128": LidarSensor(elevations=evenly(-45, 45, 128), azimuth_step=0.35),
    "ouster-os1-32": LidarSensor(elevations=evenly(-22.5, 22.5, 32), azimuth_step=0.35),
    "ouster-os1-64": LidarSensor(elevations=evenly(-22.5, 22.5, 64), azimuth_step=0.35),
    "ouster-os1-128": LidarSensor(elevations=evenly(-22.5, 22.5, 128), azimuth_step=0.176),
    "hesai-pandar64": LidarSensor(
        elevations=_joined(
            np.array([-25.0, -19, -14]),
            np.arange(-13.0, -6),
            np.arange(-6, 2.01, 1 / 6),
            np.array([3.0, 5, 8, 11, 15]),
        )
    ),
    "hesai-xt32": LidarSensor(elevations=evenly(-16, 15, 32), azimuth_step=0.18, noise=0.01),
    "livox-mid360": LidarSensor(azimuth_step=0.3),
}
"""Sensors by name."""


def find_sensor(name: str) -> LidarSensor:
    """A sensor by its name, or from a YAML file that describes one.

    Raises:
        ConfigError: no such name or file, or the file does not describe a sensor.
    """
    if name in KNOWN:
        return KNOWN[name]
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"got sensor {name!r}, need one of {', '.join(KNOWN)}, or a .yaml file with "
            "elevations, azimuth_step, forward and up"
        )
    try:
        return LidarSensor.model_validate(load_yaml(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read the sensor {path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise ConfigError(f"{path} does not describe a sensor ({where}: {first['msg']})") from error
