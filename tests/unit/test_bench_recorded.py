"""Recorded people under a run's own conditions: nobody to train on, other randomness."""

from pathlib import Path

import pytest

from bench.recorded import main, recorded_walkers
from gait.errors import CheckpointError, ConfigError, MotionFileError
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.presets import load_config

WALKERS = load_config("benchmark").walkers


@needs_cmu_walks
def test_conditions_views_and_distances_are_the_runs() -> None:
    found = recorded_walkers(WALKERS, CMU_WALKS, among=3)
    kept = ("conditions", "views", "frames", "distance", "walks", "body")
    assert [getattr(found, n) for n in kept] == [getattr(WALKERS, n) for n in kept]
    assert found.partition["TRAIN_SET"] == []
    assert found.subject_names[:3] == ("0000", "0001", "0002")
    assert len(found.people) == 11
    assert found.seed != WALKERS.seed


def test_without_motion_or_runs_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MotionFileError):
        recorded_walkers(WALKERS, tmp_path / "nowhere.tar.gz", among=0)
    with pytest.raises(ConfigError, match="no run folder"):
        main((), tmp_path)
    with pytest.raises(CheckpointError):
        main((tmp_path,), tmp_path)
