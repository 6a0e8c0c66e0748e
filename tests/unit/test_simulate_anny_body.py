import json
from pathlib import Path

import numpy as np
import pytest

from train.simulate.bodies import anny_body
from train.simulate.bodies.anny_body import basis_file
from train.simulate.bodies.basis import BodyBasis
from train.simulate.bodies.body import FRAMES, joints, pose
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.identity import average_shape, sample_shape
from train.simulate.movement.gait_curves import average_style
from train.simulate.movement.walking import walk


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A build that takes no minute, and the list of those that happened."""
    happened: list[Path] = []

    def build(folder: Path) -> None:
        folder.mkdir()
        happened.append(folder)
        anny_body.keep(capsule_basis(), folder)

    monkeypatch.setenv("DIFFCROSSGAIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(anny_body, "_build_into", build)
    return happened


def test_bodies_are_built_once(builds: list[Path]) -> None:
    first, second = basis_file(), basis_file()
    assert first == second
    assert len(builds) == 1
    assert BodyBasis.load(first).points.shape[1] == 3


def test_a_damaged_basis_is_built_again(builds: list[Path]) -> None:
    path = basis_file()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert basis_file() == path
    assert len(builds) == 2


def test_a_basis_without_its_manifest_is_built_again(builds: list[Path]) -> None:
    path = basis_file()
    (path.parent / "manifest.json").write_text(json.dumps({"anny": "0"}))
    basis_file()
    assert len(builds) == 2


def test_left_and_right_change_together_and_faces_not_at_all() -> None:
    labels = ["l-upperarm-fat-incr", "nose-hump-incr", "r-upperarm-fat-incr", "hip-waist-up"]
    names, mix = anny_body._coarse_changes(labels, rows=3 + 2 * len(labels))
    assert names == ["upperarm-fat-incr", "hip-waist-up"]
    assert mix.shape == (3 + 2 * 2, 3 + 2 * 4)
    np.testing.assert_array_equal(mix[:3, :3], np.eye(3))
    assert np.flatnonzero(mix[3]).tolist() == [3, 7]  # up: of the left and of the right arm
    assert np.flatnonzero(mix[4]).tolist() == [4, 8]
    assert np.flatnonzero(mix[5]).tolist() == [9]


@pytest.fixture(scope="module")
def basis() -> BodyBasis:
    return BodyBasis.load(basis_file())


@pytest.mark.slow
def test_people_are_adults_with_sound_proportions(basis: BodyBasis) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        body = basis.shape(*sample_shape(rng, len(basis.local_changes)))
        height = float(np.ptp(body.points[:, 2]))
        assert 1.4 < height < 2.1
        assert 0.42 < body.leg_length / height < 0.56
        np.testing.assert_allclose(body.weights.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_they_walk_upright_with_their_feet_below_them(basis: BodyBasis) -> None:
    body = basis.shape(*average_shape(len(basis.local_changes)))
    rng = np.random.default_rng(0)
    motion = walk(average_style(), rng, frames=20, rate=10, leg_length=body.leg_length)
    where, posed = joints(body, motion), pose(body, motion)
    height = np.ptp(posed[:, 2], axis=1)
    assert np.all((height > 1.6) & (height < 1.85))
    for side in "LR":
        names = [f"{name}.{side}" for name in ("thigh", "shank", "foot")]
        z = where[:, [FRAMES.index(name) for name in names], 2]
        assert np.all(np.diff(z, axis=1) < -0.15)
    assert abs(posed[:, 0].mean()) < 0.2
    assert np.ptp(posed[:, 1], axis=1).max() < 0.8
