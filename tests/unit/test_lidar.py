from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from gait.errors import ConfigError
from gait.lidar import KNOWN, Axis, LidarSensor, find_sensor

pytestmark = pytest.mark.serving


@pytest.mark.parametrize(
    ("name", "beams", "step"),
    [
        ("velodyne-vlp16", 16, 2.0),
        ("velodyne-hdl32", 32, 1.333),
        ("velodyne-hdl64", 64, 0.333),
        ("velodyne-vls128", 128, 0.2),
        ("ouster-os1-64", 64, 0.714),
        ("hesai-pandar64", 64, 0.167),
        ("hesai-xt32", 32, 1.0),
    ],
)
def test_known_sensors_have_their_beams(name: str, beams: int, step: float) -> None:
    sensor = find_sensor(name)
    assert sensor.elevations is not None
    assert len(sensor.elevations) == beams
    assert sensor.row_step == pytest.approx(step, abs=0.01)


def test_an_irregular_sensor_has_no_rows() -> None:
    assert KNOWN["livox-mid360"].row_step is None


def test_a_sensor_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("elevations: [-2, -1, 0, 1, 2]\nazimuth_step: 0.4\nforward: +y\nup: -z\n")
    sensor = find_sensor(str(own))
    assert sensor.row_step == 1.0
    assert (sensor.forward, sensor.up) == (Axis.PLUS_Y, Axis.MINUS_Z)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("elevations: [1, 0]", "elevations.*rising"),
        ("beams: 64", "beams.*not permitted"),
        ("azimuth_step: 0", "azimuth_step"),
        ("elevations: [", "cannot read"),
        ("azimuth_step: 0.1\nazimuth_step: 0.2", "got 'azimuth_step' in lines 1 and 2"),
    ],
)
def test_what_describes_no_sensor_is_refused(tmp_path: Path, text: str, says: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ConfigError, match=says):
        find_sensor(str(own))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"velodyne-vlp16.*\.yaml"):
        find_sensor("velodyne")
    with pytest.raises(ConfigError, match="cannot read"):
        find_sensor("missing.yaml")


def test_axes_are_unit_vectors() -> None:
    assert np.array_equal(Axis.MINUS_Y.direction, [0, -1, 0])
    assert len({tuple(axis.direction) for axis in Axis}) == 6
    with pytest.raises(ValidationError):
        LidarSensor(elevations=(0.0,))
