"""Walkers drawn from recorded people's statistics walk like people, each in their own way."""

import io
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from gait.errors import LayoutError, MotionFileError
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.data.walkers import walkers_folder
from train.simulate.bodies.body import FRAMES, joints
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.config import SimulateConfig
from train.simulate.identity import (
    Carrier,
    GaitSource,
    Identity,
    average_shape,
    sample_identity,
)
from train.simulate.measure_gait import Cycles, find_cycles, measure
from train.simulate.mocap.stretches import Stretch
from train.simulate.movement.gait_statistics import (
    SIZE,
    SPEEDS,
    Gait,
    GaitStatistics,
    gait_statistics,
    sample_gait,
    walk_like,
)
from train.simulate.movement.motion import SEGMENTS, Motion
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.run import simulate
from train.simulate.studio import open_studio

BODY = capsule_basis().shape(*average_shape(3))
TABLE = gait_statistics()
NOTHING = np.zeros((0, SIZE))
MEAN = replace(TABLE, people=NOTHING, walks=NOTHING, cycles=NOTHING)
"""Everybody walks like the mean of all."""


def a_walk(
    seed: int = 0, table: GaitStatistics = TABLE, speed: float | None = None, rate: float = 50.0
) -> Motion:
    rng = np.random.default_rng(seed)
    gait = sample_gait(table, rng)
    gait = gait if speed is None else Gait(gait.own, speed)
    leg = BODY.leg_length
    return walk_like(gait, table, rng, frames=round(3 * rate), rate=rate, leg_length=leg)


def pitch(motion: Motion, key: str) -> NDArray[np.float64]:
    """Degrees by which a limb segment points forward of straight down, `(t,)`."""
    down = motion.rotations[:, SEGMENTS.index(key)] @ [0, 0, -1]
    return np.asarray(np.degrees(np.arctan2(down[:, 0], -down[:, 2])))


@pytest.mark.parametrize("seed", range(30))
def test_whoever_is_drawn_walks(seed: int) -> None:
    motion = a_walk(seed)
    turns = motion.rotations
    np.testing.assert_allclose(turns @ turns.swapaxes(2, 3), np.eye(3) + 0 * turns, atol=1e-9)
    assert SPEEDS[0] <= motion.speed <= SPEEDS[1]
    thighs = [pitch(motion, f"thigh.{side}") for side in "LR"]
    assert np.corrcoef(thighs[0], thighs[1])[0, 1] < -0.5
    assert min(map(np.ptp, thighs)) > 20
    for side in "LR":
        bend = pitch(motion, f"thigh.{side}") - pitch(motion, f"shank.{side}")
        assert bend.min() > -3
        assert 45 < bend.max() < 95
    for key, degrees in (("pelvis", 25), ("thorax", 25), ("head", 60)):
        assert motion.rotations[:, SEGMENTS.index(key), 2, 2].min() > np.cos(np.radians(degrees))


def test_the_bearing_foot_stays_where_it_is() -> None:
    """It moves back under the body at walking speed: 5 % off in the median of people."""
    off = []
    for seed in range(60):
        motion = a_walk(seed)
        heads = joints(BODY, motion)
        feet = [heads[:, FRAMES.index(f"foot.{side}")] for side in "LR"]
        bearing = np.argmin([foot[:, 2] for foot in feet], axis=0)
        along = np.choose(bearing, [foot[:, 0] for foot in feet])
        same = bearing[1:] == bearing[:-1]
        back = -np.median(np.diff(along)[same]) * motion.rate
        off.append(abs(back / motion.speed - 1))
    assert np.median(off) < 0.1


def test_people_differ_more_than_their_walks_and_walks_more_than_nothing() -> None:
    def gait(person: int, walk: int) -> NDArray[np.float64]:
        who = sample_gait(TABLE, np.random.default_rng(person))
        rng = np.random.default_rng([person, walk])
        motion = walk_like(who, TABLE, rng, frames=150, rate=50, leg_length=0.84)
        keys = [f"{part}.{side}" for part in ("thigh", "shank", "upper_arm") for side in "LR"]
        return np.concatenate([np.percentile(pitch(motion, key), [5, 50, 95]) for key in keys])

    gaits = np.array([[gait(person, walk) for walk in range(2)] for person in range(40)])
    distances = np.abs(gaits[:, None, 0] - gaits[None, :, 1]).mean(axis=2)
    assert np.mean(distances.argmin(axis=1) == np.arange(40)) > 0.6
    assert np.diag(distances).min() > 0.3


def test_a_faster_walk_has_a_quicker_and_a_longer_stride() -> None:
    slow, fast = (a_walk(3, MEAN, speed) for speed in (0.8, 1.8))
    assert np.ptp(pitch(fast, "thigh.L")) > np.ptp(pitch(slow, "thigh.L")) + 5
    spectra = [np.abs(np.fft.rfft(pitch(m, "thigh.L"), 4096)[20:]).argmax() for m in (slow, fast)]
    assert spectra[1] > spectra[0]


def test_no_cycle_is_like_the_one_before_and_the_start_is_anywhere() -> None:
    assert len({round(float(pitch(a_walk(s, MEAN), "thigh.L")[0])) for s in range(20)}) > 8
    motion = a_walk(1)
    found = find_cycles(Stretch(50.0, motion.rotations, _path(motion), _lengths()))
    assert found is not None
    assert np.abs(found.vectors[0] - found.vectors[1]).max() > 0.01


def _path(motion: Motion) -> NDArray[np.float64]:
    path = motion.pelvis.copy()
    path[:, 0] += motion.speed / motion.rate * np.arange(len(path))
    return path


def _lengths() -> dict[str, float]:
    return {f"{part}.{side}": 0.42 for part in ("thigh", "shank") for side in "LR"}


def test_what_is_measured_of_a_drawn_walk_is_what_it_was_drawn_from() -> None:
    rng = np.random.default_rng(0)
    gait = Gait(np.zeros(SIZE), 1.2)
    motion = walk_like(gait, MEAN, rng, frames=720, rate=120, leg_length=0.84)
    found = find_cycles(Stretch(120.0, motion.rotations, _path(motion), _lengths()))
    assert found is not None
    assert len(found.vectors) >= 6
    assert np.exp(found.speeds).mean() == pytest.approx(motion.speed / 0.84, rel=0.01)
    expected = MEAN.mean + MEAN.slope * (np.log(motion.speed / 0.84) - MEAN.log_speed)
    assert found.vectors[:, -1].mean() == pytest.approx(expected[-1], abs=0.01)
    # A phase counts from the passing of the thighs, which is not quite where the mean's is.
    assert np.abs(found.vectors.mean(axis=0) - expected)[:-1].max() < 0.05


def test_a_mirrored_mirror_image_is_the_walk_and_the_mean_its_own() -> None:
    cycles = Cycles(np.random.default_rng(0).standard_normal((3, SIZE)), np.zeros(3))
    np.testing.assert_allclose(cycles.mirrored().mirrored().vectors, cycles.vectors)
    assert np.abs(cycles.mirrored().vectors - cycles.vectors).max() > 1
    mean = Cycles(TABLE.mean[None], np.zeros(1))
    np.testing.assert_allclose(mean.mirrored().vectors, mean.vectors, atol=2e-3)


def test_a_simulation_may_ask_for_them() -> None:
    def person(gait: GaitSource) -> Identity:
        return sample_identity(capsule_basis(), np.random.SeedSequence(1), Carrier.BOTH, gait)

    kinds = [person(gait) for gait in GaitSource]
    np.testing.assert_array_equal(kinds[0].body.points, kinds[1].body.points)
    walks = [kind.move(1, 20, np.random.default_rng(0)).rotations for kind in kinds]
    assert np.abs(walks[0] - walks[1]).max() > 0.1
    again = person(GaitSource.STATISTICS).move(1, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(again.rotations, walks[1])


def test_walkers_may_be_drawn_from_another_table(tmp_path: Path) -> None:
    def turns(table: Path | None) -> NDArray[np.float64]:
        config = SimulateConfig(
            subjects=1, gait=GaitSource.STATISTICS, body="capsules", gait_table=table
        )
        move = open_studio(config).person(0).move
        return np.asarray(move(1, 20, np.random.default_rng(0)).rotations)

    same, stiff = tmp_path / "same.npz", tmp_path / "stiff.npz"
    TABLE.save(same)
    replace(TABLE, mean=TABLE.mean * 0.5).save(stiff)
    np.testing.assert_array_equal(turns(same), turns(None))
    assert np.abs(turns(stiff) - turns(None)).max() > 0.1
    by_it: dict[str, object] = {"gait": "mixed", "gait_table": same}
    for unused in ({"gait": "curves"}, {"identity": "shape"}, {"subjects": 0, "motion": tmp_path}):
        with pytest.raises(ValidationError, match="nobody walks by it"):
            SimulateConfig.model_validate(by_it | unused)


def test_a_table_is_known_by_its_content(tmp_path: Path) -> None:
    assert "gait_table" not in SimulateConfig().arguments  # as before there were tables
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    TABLE.save(one)
    two.write_bytes(one.read_bytes())
    drawn = {
        path: SimulateConfig(gait=GaitSource.MIXED, gait_table=path, body="capsules", subjects=1)
        for path in (one, two)
    }
    assert walkers_folder(drawn[one]) == walkers_folder(drawn[two])
    replace(TABLE, mean=TABLE.mean * 0.5).save(two)
    assert walkers_folder(drawn[one]) != walkers_folder(drawn[two])
    two.unlink()
    with pytest.raises(MotionFileError, match=r"two\.npz"):
        walkers_folder(drawn[two])


def test_a_folder_is_not_claimed_by_what_is_no_table_nor_mixed_of_two(tmp_path: Path) -> None:
    table, out = tmp_path / "table.npz", tmp_path / "out"
    short = SimulateConfig(
        subjects=1, gait=GaitSource.STATISTICS, body="capsules", gait_table=table,
        conditions=("nm",), walks=1, views=("090",), frames=8, points=False,
    )  # fmt: skip
    table.write_text("gait")
    with pytest.raises(MotionFileError):
        simulate(short, out, workers=1)
    TABLE.save(table)
    simulate(short, out, workers=1)
    replace(TABLE, mean=TABLE.mean * 0.5).save(table)
    with pytest.raises(LayoutError, match=r"gait_table: .* → "):
        simulate(short, out, workers=1)
    without = short.model_copy(update={"gait_table": None})
    with pytest.raises(LayoutError, match=r"gait_table: .* → None"):
        simulate(without, out, workers=1)


WRONG: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: path.unlink(missing_ok=True),
    "folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("gait"),
    "array": lambda path: path.write_bytes(array(TABLE.mean)),
    "truncated": lambda path: path.write_bytes(saved(path)[:5000]),
    "damaged": lambda path: path.write_bytes(
        saved(path)[:900] + b"\xff" * 900 + saved(path)[1800:]
    ),
    "short": lambda path: replace(TABLE, people=TABLE.people[:, :-1]).save(path),
    "scalar": lambda path: replace(TABLE, people=np.array(1.0)).save(path),
    "nan": lambda path: replace(TABLE, mean=TABLE.mean * np.nan).save(path),
    "huge": lambda path: replace(TABLE, mean=TABLE.mean * 50).save(path),
    "complex": lambda path: np.savez(path, **everything(np.complex128)),
    "words": lambda path: np.savez(path, **everything(np.str_)),
    "incomplete": lambda path: np.savez(path, mean=TABLE.mean),
}


def saved(path: Path) -> bytes:
    TABLE.save(path)
    return path.read_bytes()


def array(values: NDArray[np.float64]) -> bytes:
    held = io.BytesIO()
    np.save(held, values)
    return held.getvalue()


def everything(kind: Any) -> dict[str, Any]:
    return {f.name: getattr(TABLE, f.name).astype(kind) for f in fields(TABLE)}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "table.npz"
    WRONG[wrong](path)
    with pytest.raises(MotionFileError, match=r"table\.npz"):
        GaitStatistics.load(path)


@needs_cmu_walks
def test_the_table_is_what_is_measured() -> None:
    library = MotionLibrary.open(CMU_WALKS)
    with pytest.raises(MotionFileError, match="1 people have a whole gait cycle"):
        measure(library, ("02",))
    fresh = measure(library, library.subjects)
    for field in fields(GaitStatistics):
        old, new = getattr(TABLE, field.name), getattr(fresh, field.name)
        assert old.shape == new.shape
        if old.ndim == 2:  # axes have no sign, and half floats may turn those alike in size
            old, new = np.linalg.norm(old, axis=1), np.linalg.norm(new, axis=1)
            np.testing.assert_allclose(old, new, rtol=5e-3)
        else:
            np.testing.assert_allclose(old, new, atol=2e-3)
