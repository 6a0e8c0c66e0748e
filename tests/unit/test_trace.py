"""The profile of a run: a trace with the parts of a step, and no other result."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.split import split_people
from train.loop.learner import Machine
from train.loop.trace import TRACE, TRACED
from train.loop.training_run import TrainingRun
from train.report.metrics_log import read_metrics


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))


def train(config: TrainConfig, pack: Pack, folder: Path, profile: bool) -> list[Any]:
    folder.mkdir()
    split = split_people(pack.records, config)
    machine = Machine(torch.device("cpu"))
    TrainingRun(config, pack, split, folder, machine, profile=profile).run()
    return [row["total"] for row in read_metrics(folder) if "total" in row]


@pytest.mark.parametrize("iterations", [8, 18])
def test_a_trace_shows_the_parts_of_each_step(pack: Pack, tmp_path: Path, iterations: int) -> None:
    config = tiny_config(optim={"iterations": iterations})
    losses = train(config, pack, tmp_path / "traced", profile=True)
    assert losses == train(config, pack, tmp_path / "plain", profile=False)
    assert not (tmp_path / "plain" / TRACE).exists()
    events = json.loads((tmp_path / "traced" / TRACE).read_text())["traceEvents"]
    spans = [e for e in events if e.get("cat") == "user_annotation" and e.get("ph") == "X"]
    for part in ("forward", "backward", "optimiser"):
        assert sum(span["name"] == part for span in spans) == TRACED
    assert any("convolution" in e.get("name", "") for e in events)
