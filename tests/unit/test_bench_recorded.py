"""Recorded people under a run's own conditions: nobody to train on, other randomness."""

from pathlib import Path

import numpy as np
import pytest

from bench.recorded import gains_text, main, recorded_walkers
from gait.errors import CheckpointError, ConfigError, MotionFileError
from tests.packs import write_pack
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.data.pack import Pack
from train.embed import Embeddings
from train.presets import load_config

WALKERS = load_config("benchmark").walkers


@needs_cmu_walks
def test_conditions_views_and_distances_are_the_runs() -> None:
    found = recorded_walkers(WALKERS, CMU_WALKS)
    kept = ("conditions", "views", "frames", "distance", "walks", "body")
    assert [getattr(found, n) for n in kept] == [getattr(WALKERS, n) for n in kept]
    assert found.partition["TRAIN_SET"] == []
    assert len(found.people) == len(found.subject_names) == 11
    assert found.seed != WALKERS.seed


def test_without_motion_or_runs_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MotionFileError):
        recorded_walkers(WALKERS, tmp_path / "nowhere.tar.gz")
    with pytest.raises(ConfigError, match="no run folder"):
        main((), tmp_path)
    with pytest.raises(ConfigError, match="2 runs against 1, need one for each"):
        main((tmp_path,), tmp_path, against=(tmp_path, tmp_path))
    with pytest.raises(CheckpointError):
        main((tmp_path,), tmp_path)


def test_gains_are_paired_over_people(tmp_path: Path) -> None:
    pack = Pack.open(write_pack(tmp_path / "pack", train=0, test=4))
    people = np.array([int(record.subject) for record in pack.records])
    told_apart = np.eye(5, dtype=np.float32)[people, :, None]
    # The second person's silhouettes look like nobody's range views, and like each other.
    lost = np.eye(5, dtype=np.float32)[np.where(people == 1, 4, people), :, None]
    found, missed = Embeddings(told_apart, told_apart), Embeddings(lost, told_apart)
    text = gains_text(pack, [found, found], [missed, missed])
    gained = {line[: line.index("  ")]: line.split()[3] for line in text.splitlines()[1:]}
    assert gained["silhouette → silhouette"] == gained["range_view → range_view"] == "+0.0"
    assert gained["silhouette → range_view"] == gained["range_view → silhouette"] == "+25.0"
    assert gains_text(pack, [found], [found]).count("+0.0 [+0.0, +0.0]") == 4
