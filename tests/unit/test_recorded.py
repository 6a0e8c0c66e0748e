from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from gait.errors import ConfigError, MotionFileError
from tests import walking_files
from train.simulate.bodies.body import joints, limb_lengths
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.config import SimulateConfig
from train.simulate.identity import Carrier, average_shape
from train.simulate.movement.motion import SEGMENTS
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.movement.recorded import find_people, recorded_identity
from train.simulate.studio import open_studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("02", "05"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.asf").write_text(walking_files.asf())
        (tmp_path / name / f"{name}_01.amc").write_text(walking_files.amc())
    return tmp_path


def config(folder: Path, **options: object) -> SimulateConfig:
    return SimulateConfig.model_validate({"motion": folder, "body": "capsules", **options})


def test_recorded_people_come_alone_or_after_those_of_the_curves(folder: Path) -> None:
    assert find_people(config(folder)).subject_names == ("mocap-02", "mocap-05")
    mixed = find_people(config(folder, subjects=2, people=["05"]))
    assert mixed.subject_names == ("0000", "0001", "mocap-05")
    assert find_people(SimulateConfig()).built_in == 64


def test_a_person_is_the_same_whoever_else_is_simulated(folder: Path) -> None:
    alone = open_studio(find_people(config(folder, people=["05"])))
    among = open_studio(find_people(config(folder, subjects=3)))
    one, other = alone.person(0), among.person(4)
    np.testing.assert_array_equal(one.body.points, other.body.points)
    takes = [alone.film(one, 0, "01-nm", "090"), among.film(other, 4, "01-nm", "090")]
    np.testing.assert_array_equal(takes[0].sighting.silhouettes, takes[1].sighting.silhouettes)


def test_unknown_people_and_too_short_walks_are_named_before_anything_is_made(folder: Path) -> None:
    with pytest.raises(MotionFileError, match="nobody called '7', only 02, 05"):
        find_people(config(folder, people=["7"]))
    (folder / "05" / "05_01.amc").write_text(walking_files.amc(frames=100))
    with pytest.raises(MotionFileError, match="subject '05' has"):
        # A library is kept for its path; another spelling of the path is read anew.
        find_people(config(folder / "05" / "..", people=["02", "05"]))


def test_more_people_to_train_on_than_were_recorded(folder: Path) -> None:
    with pytest.raises(ConfigError, match="got 3 to train on, but only 2 subjects"):
        find_people(config(folder, train=3))


@pytest.mark.parametrize(
    "options",
    [
        {"subjects": 0},
        {"people": ["02"]},
        {"subjects": 4, "train": 5},
        {"motion": "x", "people": ["02", "02"]},
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SimulateConfig.model_validate(options)


def test_limbs_have_the_recorded_lengths_when_posed(folder: Path) -> None:
    library = MotionLibrary.open(folder)
    seed = np.random.SeedSequence(1)
    person = recorded_identity(capsule_basis(), seed, Carrier.BOTH, library, "02")
    heads = joints(person.body, person.move(0, 10, np.random.default_rng(0)))
    for start, end in (("thigh.L", "shank.L"), ("shank.R", "foot.R"), ("upper_arm.R", "forearm.R")):
        apart = heads[:, SEGMENTS.index(end)] - heads[:, SEGMENTS.index(start)]
        wanted = library.walks("02")[0].lengths[start]
        np.testing.assert_allclose(np.linalg.norm(apart, axis=1), wanted, rtol=1e-4)


def test_the_body_taken_needs_little_stretching(folder: Path) -> None:
    library, basis = MotionLibrary.open(folder), capsule_basis()
    wanted = library.walks("02")[0].lengths
    for seed in range(4):
        person = recorded_identity(basis, np.random.SeedSequence(seed), Carrier.BOTH, library, "02")
        for limb, own in limb_lengths(person.body).items():
            assert 0.75 < wanted[limb] / own < 1.33


def test_controls_take_away_the_shape_or_the_motion(folder: Path) -> None:
    library, basis, seed = MotionLibrary.open(folder), capsule_basis(), np.random.SeedSequence(1)
    same = recorded_identity(basis, seed, Carrier.MOTION, library, "02")
    mean = basis.shape(*average_shape(len(basis.local_changes)))
    np.testing.assert_array_equal(same.body.align, mean.align)
    np.testing.assert_array_equal(same.body.points, mean.points)
    still = recorded_identity(basis, seed, Carrier.SHAPE, library, "02")
    motion = still.move(0, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(motion.rotations[0], motion.rotations[-1])
