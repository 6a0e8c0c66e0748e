"""A dataset layout is one file and one entry: what knows it then, without any other change."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import gait.sustech1k
from gait.errors import ConfigError
from gait.modality import Modality
from tests.training_setup import tiny_config
from train import dataset_layouts
from train.data.dataset_layout import DatasetLayout, Embedded, Scoring
from train.data.pack import Pack, Record
from train.data.packing import pack_dataset
from train.data.split import split_people
from train.loop.learner import Machine
from train.loop.training_run import TrainingRun
from train.protocols.freegait import evaluate_freegait
from train.protocols.result import ProtocolResult
from train.report.results import evaluate_run
from train.run import Command, open_pack


def read(sequence: gait.sustech1k.Sequence, modality: Modality, name: str) -> "np.ndarray":
    """Plain arrays of grey pictures."""
    grey = np.load(sequence.folder / name)
    return np.repeat(grey[:, None], modality.channels, axis=1)


def score(embedded: Embedded, records: Sequence[Record], how: Scoring) -> ProtocolResult:
    """First walks are enrolled, second ones looked up."""
    return evaluate_freegait(
        embedded[Modality.SILHOUETTE],
        embedded[Modality.RANGE_VIEW],
        np.array([record.subject for record in records]),
        np.array(["gallery" if first(record) else "probe" for record in records]),
        ranks=how.ranks,
        bootstrap=how.bootstrap,
        distance=how.distance,
    )


def first(record: Record) -> bool:
    return record.type == "first"


GREY = DatasetLayout(
    files={Modality.SILHOUETTE: "camera.npy", Modality.RANGE_VIEW: "lidar.npy"},
    read=read,
    score=score,
    in_gallery=first,
    is_probe=lambda record: not first(record),
    one_view=False,
)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    monkeypatch.setitem(dataset_layouts.LAYOUTS, "grey", GREY)
    rng = np.random.default_rng(0)
    people = [f"{number:02d}" for number in range(10)]
    for person in people:
        for kind in ("first", "second"):
            folder = tmp_path / "data" / person / kind / "0"
            folder.mkdir(parents=True)
            for name in GREY.files.values():
                np.save(folder / name, rng.integers(0, 256, (4, 64, 64), dtype=np.uint8))
    partition = tmp_path / "partition.json"
    partition.write_text(json.dumps({"TRAIN_SET": people[:6], "TEST_SET": people[6:]}))
    pack_dataset(tmp_path / "data", partition, tmp_path / "pack", layout="grey")
    return Pack.open(tmp_path / "pack")


def test_it_is_packed_trained_scored_and_reported(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(data={"layout": "grey", "validation_subjects": 0}, optim={"iterations": 2})
    machine = Machine(torch.device("cpu"))
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path / "run", machine).run()
    result = evaluate_run(tmp_path / "run", pack, machine)
    way = {"probe": Modality.SILHOUETTE, "gallery": Modality.RANGE_VIEW}
    assert result.score(**way).probes == 4
    page = (tmp_path / "run" / "report.html").read_text()
    assert "gallery first, view 0, 4 walks" in page


def test_a_layout_that_is_not_there_is_named_everywhere() -> None:
    with pytest.raises(ConfigError, match=r"'freegate'.*did you mean 'freegait'"):
        open_pack(Command(tiny_config(data={"layout": "freegate"})))
    with pytest.raises(ConfigError, match="need one of sustech1k, freegait"):
        pack_dataset(Path("x"), Path("y"), Path("z"), layout="casia")
