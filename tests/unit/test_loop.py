"""The loop between steps: validation, the best checkpoint, losses that are not numbers."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from gait.errors import ConfigError, NonFiniteLossError
from gait.metrics import Distance
from gait.modality import Modality
from gait.range_style import RangeStyle
from tests.packs import drawn_as, write_pack
from tests.training_setup import tiny_config
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.split import split_people
from train.loop import training_run as loop
from train.loop.learner import Learner, Machine
from train.loop.training_run import BEST, LAST, Due, TrainingRun, due_after
from train.loop.validate import Validation
from train.losses import Losses
from train.report.metrics_log import read_metrics


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))


def train(config: TrainConfig, pack: Pack, folder: Path) -> None:
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, folder, Machine(torch.device("cpu"))).run()


def iteration_of(path: Path) -> int:
    return load_checkpoint(path).iteration


def test_the_best_is_chosen_on_held_out_people(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0, 30.0, 5.0])
    seen: list[set[str]] = []

    def scripted(network: Any, pack: Any, records: Any, *rest: Any) -> Validation:
        seen.append({r.subject for r in records})
        mean = next(scores)
        there, back = (
            (Modality.SILHOUETTE, Modality.RANGE_VIEW),
            (Modality.RANGE_VIEW, Modality.SILHOUETTE),
        )
        return {
            (*there, Distance.COSINE): mean - 4,
            (*back, Distance.COSINE): mean + 4,
            (*there, Distance.EUCLIDEAN): 100 - 2 * mean,
            (*back, Distance.EUCLIDEAN): 100 - 2 * mean,
        }

    monkeypatch.setattr(loop, "validate", scripted)
    config = tiny_config(optim={"iterations": 9}, run={"validate_every": 2})
    train(config, pack, tmp_path)
    best, last = load_checkpoint(tmp_path / BEST), load_checkpoint(tmp_path / LAST)
    assert (best.iteration, best.best) == (8, 30.0), "of equals, the later"
    assert (last.iteration, last.best) == (9, 30.0)
    held_out = {r.subject for r in split_people(pack.records, config).validation}
    assert seen == [held_out] * 5
    assert not held_out & set(best.classes)
    assert not {r.subject for r in pack.records if r.split == "test"} & held_out


def test_the_best_is_chosen_by_the_configured_distance(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0])

    def scripted(*_: object) -> Validation:
        score = next(scores)
        way = (Modality.SILHOUETTE, Modality.RANGE_VIEW)
        return {(*way, Distance.EUCLIDEAN): score, (*way, Distance.COSINE): 50 - score}

    monkeypatch.setattr(loop, "validate", scripted)
    config = tiny_config(
        optim={"iterations": 6}, run={"validate_every": 2}, model={"centred": False}
    )
    train(config, pack, tmp_path)
    best = load_checkpoint(tmp_path / BEST)
    assert (best.iteration, best.best) == (4, 30.0), "not centred, so by Euclidean distance"


def test_without_held_out_people_the_last_is_the_best(pack: Pack, tmp_path: Path) -> None:
    train(tiny_config(optim={"iterations": 3}, data={"validation_subjects": 0}), pack, tmp_path)
    assert iteration_of(tmp_path / BEST) == iteration_of(tmp_path / LAST) == 3


def test_clips_drawn_as_scatter_plots_are_not_changed(tmp_path: Path) -> None:
    scatter = Pack.open(drawn_as(write_pack(tmp_path / "scatter"), RangeStyle.SCATTER))
    config = tiny_config(augment={"share": 0.3})
    split = split_people(scatter.records, config)
    with pytest.raises(ConfigError, match="range views of style scatter, need bins"):
        TrainingRun(config, scatter, split, tmp_path, Machine(torch.device("cpu")))


def test_every_step_is_logged_whatever_the_pauses(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(
        optim={"iterations": 11}, run={"log_every": 4, "checkpoint_every": 3, "validate_every": 5}
    )
    train(config, pack, tmp_path)
    steps = [row["iteration"] for row in read_metrics(tmp_path) if "total" in row]
    assert steps == list(range(1, 12))
    checks = [row["iteration"] for row in read_metrics(tmp_path) if "total" not in row]
    assert checks == [5, 10, 11]


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, iterations = Learner.losses, count(1)

    def poisoned(self: Learner, batch: Any, noise: Any) -> Losses:
        losses = honest(self, batch, noise)
        if next(iterations) < 8:
            return losses
        bad = losses.terms["p2_bridge"] * float("nan")
        return Losses(losses.terms | {"p2_bridge": bad}, losses.total + bad)

    monkeypatch.setattr(Learner, "losses", poisoned)
    config = tiny_config(run={"log_every": 4, "checkpoint_every": 5})
    with pytest.raises(NonFiniteLossError, match=r"nan at iteration 8 \(term p2_bridge\)"):
        train(config, pack, tmp_path)
    assert iteration_of(tmp_path / LAST) == 5


@pytest.mark.parametrize("last", [10, 20])
def test_weights_that_are_no_numbers_though_losses_are_keep_it_too(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    honest, iterations = Learner.backward, count(1)

    def poisoned(self: Learner, losses: Losses) -> None:
        honest(self, losses)
        if next(iterations) == 10:
            for weight in self.network.parameters():
                weight.grad = torch.full_like(weight, torch.nan)

    monkeypatch.setattr(Learner, "backward", poisoned)
    config = tiny_config(run={"checkpoint_every": 5}, optim={"iterations": last})
    with pytest.raises(NonFiniteLossError, match="not of finite numbers after iteration 10"):
        train(config, pack, tmp_path)
    assert iteration_of(tmp_path / LAST) == 5


@pytest.mark.parametrize(
    ("iteration", "validating", "due"),
    [
        (1, True, Due(look=False, validate=False, save=False, last=False)),
        (3, True, Due(look=True, validate=False, save=False, last=False)),
        (5, True, Due(look=True, validate=False, save=True, last=False)),
        (7, True, Due(look=True, validate=True, save=True, last=False)),
        (7, False, Due(look=False, validate=False, save=False, last=False)),
        (20, True, Due(look=True, validate=True, save=True, last=True)),
        (20, False, Due(look=True, validate=False, save=True, last=True)),
    ],
)
def test_what_is_due_after_a_step(iteration: int, validating: bool, due: Due) -> None:
    every = {"log_every": 3, "checkpoint_every": 5, "validate_every": 7}
    assert due_after(iteration, tiny_config(run=every), validating) == due
