"""Recorded people under the runs' own conditions, found by finished runs; each leaves a record."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import bench.recorded
from bench.ablation.page import read_runs, results_text
from bench.ablation.rows import ROWS
from bench.ablation.running import run_trial
from bench.ablation.trial import Trial
from bench.recorded import Command, main, recorded_walkers
from gait.errors import CheckpointError, ConfigError, MotionFileError
from tests.packs import write_pack
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from tests.training_setup import tiny_config, write_tiny_yaml
from train.checkpoint import load_checkpoint
from train.data.pack import Pack
from train.loop.learner import Machine
from train.presets import load_config

WALKERS = load_config("benchmark").walkers
SHORT = {"iterations": 4}


@needs_cmu_walks
def test_conditions_views_and_distances_are_the_runs() -> None:
    found = recorded_walkers(WALKERS, CMU_WALKS)
    kept = ("conditions", "views", "frames", "distance", "walks", "body")
    assert [getattr(found, n) for n in kept] == [getattr(WALKERS, n) for n in kept]
    assert found.partition["TRAIN_SET"] == []
    assert len(found.people) == len(found.subject_names) == 11
    assert found.seed != WALKERS.seed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of base and full with seed 0, trained."""
    folder = tmp_path_factory.mktemp("recorded")
    pack = Pack.open(write_pack(folder / "pack"))
    for row in ("base", "full"):
        trial = Trial(tiny_config(optim=SHORT), ROWS[row], 0, folder / "runs", folder / "results")
        run_trial(trial, pack, Machine(torch.device("cpu")))
    return folder / "runs"


@pytest.fixture
def command(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Of these runs; the recorded people are random frames."""
    recorded = Pack.open(write_pack(tmp_path / "pack", train=0, test=3))
    monkeypatch.setattr(bench.recorded, "recorded_walkers", lambda walkers, _: walkers)
    monkeypatch.setattr(bench.recorded, "walkers_pack", lambda _: recorded)
    preset = str(write_tiny_yaml(tmp_path, optim=SHORT))
    results = tmp_path / "results" / "recorded"
    motion = tmp_path / "motion"
    return Command(motion=motion, seeds=(0,), preset=preset, runs=runs, results=results)


def test_every_run_leaves_a_record_of_the_recorded_people(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(command)
    table = capsys.readouterr().out
    assert "| full | base, full |" in table
    preset = load_config(command.preset)
    runs = read_runs(preset, command.results)
    assert [len(runs[row][0].people) for row in ("base", "full")] == [3, 3]
    monkeypatch.setattr(bench.recorded, "evaluate", None)  # nothing is evaluated twice
    main(command)
    assert capsys.readouterr().out == table
    monkeypatch.setattr("bench.ablation.page.load_config", lambda _: preset)
    page = results_text(command.results.parent)
    assert "## Recorded motion, tiny\n\nThe runs above, with 3 people" in page
    assert "Chance: 33.3 %" in page


def test_only_finished_runs_of_the_row_are_looked_at(command: Command, tmp_path: Path) -> None:
    with pytest.raises(MotionFileError):
        recorded_walkers(WALKERS, tmp_path / "nowhere.tar.gz")
    with pytest.raises(ConfigError, match="no row or no seed"):
        main(replace(command, seeds=()))
    with pytest.raises(CheckpointError):
        main(replace(command, seeds=(1,)))
    longer = write_tiny_yaml(tmp_path, optim={"iterations": 5})
    with pytest.raises(ConfigError, match=r"other settings: optim\.iterations"):
        main(replace(command, preset=str(longer)))
    assert not command.results.exists()


def test_an_unfinished_run_is_not_looked_at(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bench.recorded, "load_checkpoint", lambda path: replace(load_checkpoint(path), iteration=3)
    )
    with pytest.raises(ConfigError, match="iteration 3, need 4: finish it"):
        main(command)
