from typing import Any

import numpy as np
import pytest

from gait.lidar import KNOWN, LidarSensor, evenly
from gait.modality import Modality
from tests.unit.test_simulate_camera import block
from tests.unit.test_simulate_lidar import wall
from train.simulate import walk
from train.simulate.bodies.body import RestBody
from train.simulate.conditions import Clothes, dress
from train.simulate.config import SimulateConfig
from train.simulate.identity import Build, GaitSource
from train.simulate.movement.motion import Motion
from train.simulate.sensors.camera import photograph, turned
from train.simulate.sensors.lidar import OWN, Floor, raster_of, scan
from train.simulate.sensors.mask_faults import WITHOUT_FAULTS, MaskFaults, draw_faults, with_faults
from train.simulate.sensors.rig import (
    FEWEST_ROWS,
    PERSON,
    RATES,
    draw_rate,
    draw_rig,
    draw_sensor,
)
from train.simulate.sensors.scene import Sensors
from train.simulate.studio import open_studio


def elevations(cloud: np.ndarray) -> np.ndarray:
    degrees: np.ndarray = np.degrees(np.arctan2(cloud[:, 2], np.hypot(cloud[:, 0], cloud[:, 1])))
    return degrees


@pytest.mark.parametrize("beams", [16, 64])
def test_points_lie_on_the_beams_of_the_sensor(beams: int) -> None:
    sensor = LidarSensor(elevations=evenly(-15, 15, beams), azimuth_step=0.4, noise=0.0, lost=0.0)
    (cloud,) = scan(wall(6.0), np.random.default_rng(0), raster=raster_of(sensor))
    apart = np.abs(elevations(cloud)[:, None] - np.array(sensor.elevations)).min(axis=1)
    assert apart.max() < 1e-3
    azimuth = np.sort(np.degrees(np.arctan2(cloud[:, 1], cloud[:, 0])) % 0.4)
    rows = np.unique(elevations(cloud).round(3))
    assert len(cloud) == pytest.approx(
        len(rows) * np.degrees(2 * np.arctan(0.4 / 6)) / 0.4, rel=0.2
    )
    assert len(azimuth) == len(cloud)


def test_a_thin_beam_sees_nothing_between_beams() -> None:
    sensor = LidarSensor(elevations=(-2.0, 2.0), noise=0.0, lost=0.0)
    between = wall(6.0, height=(-0.1, 0.1))
    (cloud,) = scan(between, np.random.default_rng(0), raster=raster_of(sensor))
    assert len(cloud) == 0


def test_a_sensor_without_rows_measures_anywhere() -> None:
    raster = raster_of(KNOWN["livox-mid360"])
    first, second = scan(wall(6.0, frames=2), np.random.default_rng(0), raster=raster)
    assert 0.1 < len(first) / len(scan(wall(6.0), np.random.default_rng(0))[0]) < 0.5
    assert {*map(tuple, first.round(3))} != {*map(tuple, second.round(3))}


def test_a_part_of_a_raster_sees_the_same_person() -> None:
    low, high = np.radians((-10.0, 8.0))
    whole = scan(wall(6.0), np.random.default_rng(0), raster=OWN)[0]
    part = scan(wall(6.0), np.random.default_rng(0), raster=OWN.between(low, high))[0]
    assert abs(len(whole) - len(part)) < 0.02 * len(whole)
    assert len(OWN.between(low, high).rows) < 100


def test_the_ground_lies_about_the_feet_and_not_before_the_person() -> None:
    floor = Floor(1.0, 0.8, np.array([[6.0, 0.0]]))
    points = wall(6.0, height=(-1.0, 0.8))
    (cloud,) = scan(points, np.random.default_rng(0), raster=OWN, floor=floor)
    ground = cloud[np.abs(cloud[:, 2] + 1.0) < 0.05]
    away = np.hypot(ground[:, 0] + 6.0, ground[:, 1])
    assert len(ground) > 30
    assert away.max() < 0.95
    assert (ground[:, 0] > -6.0).any()  # before the wall, which hides what lies behind
    behind = ground[(ground[:, 0] < -6.2) & (np.abs(ground[:, 1]) < 0.3)]
    assert len(behind) == 0


def test_a_camera_above_shortens_the_person() -> None:
    points = block(8.0)
    level = photograph(points).any(axis=2).sum(axis=1)[0]
    down = np.radians(30)
    raised = points.copy()
    raised[:, 2] -= 8.0 * np.tan(down)
    seen = photograph(turned(raised, 0.0, down, 0.0))
    assert seen.any(axis=2).sum(axis=1)[0] < 0.85 * level
    rolled = photograph(turned(points, 0.0, 0.0, np.radians(90)))
    assert rolled.any(axis=2).sum(axis=1)[0] == pytest.approx(
        photograph(points).any(axis=1).sum(axis=1)[0], abs=2
    )


def test_the_camera_looks_to_the_left_and_down() -> None:
    left_below = np.array([[[np.cos(0.2)], [np.sin(0.2)], [0.0]]], np.float32)
    np.testing.assert_allclose(turned(left_below, 0.2, 0.0, 0.0)[0, :, 0], [1, 0, 0], atol=1e-6)
    below = np.array([[[np.cos(0.2)], [0.0], [-np.sin(0.2)]]], np.float32)
    np.testing.assert_allclose(turned(below, 0.0, 0.2, 0.0)[0, :, 0], [1, 0, 0], atol=1e-6)


def test_faults_of_masks() -> None:
    masks = photograph(block(8.0)).repeat(20, axis=0)
    rng = np.random.default_rng(0)
    assert with_faults(masks, WITHOUT_FAULTS, rng) is masks
    thin = with_faults(masks, MaskFaults(threshold=0.7), rng)
    fat = with_faults(masks, MaskFaults(threshold=0.3), rng)
    assert (thin > 0).sum() < (masks > 0).sum() < (fat > 0).sum()
    footless = with_faults(masks, MaskFaults(feet=0.05), rng)
    rows = (footless > 0).any(axis=2).sum(axis=1)
    assert (rows < (masks > 0).any(axis=2).sum(axis=1)).all()
    shaded = with_faults(masks, MaskFaults(shadow=0.06, flicker=0.5), rng)
    wide = (shaded > 0).any(axis=1).sum(axis=1)
    assert 4 <= (wide > wide.min()).sum() <= 16
    coarse = with_faults(masks, MaskFaults(rows=20), rng)
    assert set(np.unique(coarse)) == {0, 255}


def test_drawn_sensors_can_see_the_walker() -> None:
    rng = np.random.default_rng(0)
    for distance in (4.0, 10.0, 20.0):
        for _ in range(30):
            step = draw_sensor(distance, rng).row_step
            seen = np.degrees(np.arctan2(PERSON, distance))
            assert step is None or seen / step >= FEWEST_ROWS


def test_drawn_sensors_differ_and_stay_in_bounds() -> None:
    rng = np.random.default_rng(0)
    rigs = [draw_rig(8.0, rng) for _ in range(60)]
    assert len({len(rig.raster.rows) for rig in rigs}) > 10
    assert 5 < sum(rig.ground > 0 for rig in rigs) < 35
    heights = [rig.camera_height for rig in rigs]
    assert 1.0 <= min(heights) < 1.4
    assert 3.0 < max(heights) <= 4.0
    rates = [draw_rate(rng) for _ in range(60)]
    assert RATES[0] <= min(rates) < max(rates) <= RATES[1]
    assert 8 < sum(rate == 10.0 for rate in rates) < 35
    assert draw_faults(np.random.default_rng(1)) == draw_faults(np.random.default_rng(1))


@pytest.fixture(scope="module")
def config() -> SimulateConfig:
    return SimulateConfig(
        subjects=3,
        conditions=("nm", "oc"),
        views=("045", "090", "180-far"),
        views_each=2,
        frames=6,
        sensors=Sensors.DRAWN,
        clothes=Clothes.ANY,
        build=Build.WIDE,
        gait=GaitSource.MIXED,
        body="capsules",
    )


def test_a_simulation_with_drawn_sensors(config: SimulateConfig) -> None:
    studio = open_studio(config)
    takes = [take for index in range(3) for take in studio.subject(index)]
    assert len(takes) == 3 * len(config.types) * 2
    assert len({take.view for take in takes}) == 3
    assert np.mean([len(take.sighting.silhouettes) > 0 for take in takes]) > 0.8
    again = next(iter(open_studio(config).subject(0))).sighting
    np.testing.assert_array_equal(again.silhouettes, takes[0].sighting.silhouettes)
    np.testing.assert_array_equal(again.range_views, takes[0].sighting.range_views)
    for take in takes:
        assert take.sighting.range_views.shape[1] == Modality.RANGE_VIEW.channels


def test_studio_walks_are_seen_by_one_pair_of_sensors(config: SimulateConfig) -> None:
    def ranges(**options: object) -> list[np.ndarray]:
        studio = open_studio(config.model_copy(update=options))
        return [take.sighting.range_views for take in studio.subject(0)]

    drawn, more = ranges(), ranges(studio_walks=2)
    one = ranges(studio_walks=2, sensors=Sensors.ONE)
    for before, after in zip(drawn, more, strict=False):
        np.testing.assert_array_equal(before, after)
    assert len(more) == len(drawn) + 2 * 2
    for studio, plain in zip(more[len(drawn) :], one[len(drawn) :], strict=True):
        np.testing.assert_array_equal(studio, plain)
    assert not all(map(np.array_equal, drawn, one))


@pytest.mark.parametrize(("clothes", "changes"), [(Clothes.OWN, False), (Clothes.ANY, True)])
def test_own_clothes_are_the_same_on_every_walk(
    config: SimulateConfig, monkeypatch: pytest.MonkeyPatch, clothes: Clothes, changes: bool
) -> None:
    worn: list[np.ndarray] = []

    def noted(*arguments: Any) -> tuple[RestBody, Motion]:
        body, motion = dress(*arguments)
        worn.append(body.points)
        return body, motion

    monkeypatch.setattr(walk, "dress", noted)
    options = {"clothes": clothes, "conditions": ("nm",)}
    list(open_studio(config.model_copy(update=options)).subject(0))
    assert len(worn) == 4
    assert any(not np.array_equal(worn[0], other) for other in worn[1:]) == changes
