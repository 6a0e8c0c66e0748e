"""One sensor alone: packed, trained, validated, evaluated and reported without the other."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gait.errors import ConfigError, EvaluationError, PackError
from gait.modality import Modality
from gait.sustech1k import find_sequences
from tests.dataset import write_dataset
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.packing import pack_dataset
from train.data.split import split_people
from train.embed import embed_modalities, embed_sequences
from train.loop.learner import Machine
from train.loop.training_run import TrainingRun
from train.model.network import GaitNetwork
from train.report.metrics_log import read_metrics
from train.report.results import evaluate_run
from train.run import Command, open_pack


def alone(modality: Modality) -> TrainConfig:
    return tiny_config(
        model={"modalities": [modality]},
        diffusion={"phases": []},
        optim={"iterations": 6},
        run={"validate_every": 3},
    )


@pytest.mark.parametrize("modality", Modality)
def test_a_dataset_of_one_sensor_is_packed(tmp_path: Path, modality: Modality) -> None:
    root = write_dataset(tmp_path / "data")
    lacking = "09-*" if modality is Modality.SILHOUETTE else "14-*"
    for sequence in find_sequences(root):
        next(sequence.folder.glob(lacking)).unlink()
    partition, out = root / "partition.json", tmp_path / "pack"
    report = pack_dataset(root, partition, out, layout="sustech1k", modalities=(modality,))
    pack = Pack.open(out)
    pack.verify()
    assert not report.skipped
    assert pack.modalities == (modality,)
    assert pack.frame_count == len(pack.store(modality)) == report.frames
    with pytest.raises(PackError, match=f"has no {modality.counterpart} frames"):
        pack.store(modality.counterpart)


@pytest.mark.parametrize("modality", Modality)
@pytest.mark.parametrize("held", [(0,), (0, 1)], ids=["its own pack", "a pack of both"])
def test_one_sensor_is_trained_and_evaluated(
    tmp_path: Path, modality: Modality, held: tuple[int, ...]
) -> None:
    kinds = [(modality, modality.counterpart)[i] for i in held]
    pack = Pack.open(write_pack(tmp_path / "pack", modalities=kinds))
    config, machine = alone(modality), Machine(torch.device("cpu"))
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path / "run", machine).run()
    lines = list(read_metrics(tmp_path / "run"))
    assert set(lines[0]) == {"iteration", "lr", "total", "ce", "triplet"}
    validated = {name for line in lines for name in line if name.startswith("validation")}
    way = f"{modality} → {modality}"
    assert validated == {f"validation_{way}, euclidean", f"validation_{way}, cosine"}
    result = evaluate_run(tmp_path / "run", pack, machine)
    assert {row.key[:2] for row in result.rows} == {(modality, modality)}
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"<h3>{way}, cosine distance</h3>" in page
    assert "five nearest walks of the same sensor" in page
    assert (
        modality.counterpart
        not in json.loads((tmp_path / "pack" / "index.json").read_text())["stores"]
        or len(held) == 2
    )


@pytest.mark.parametrize("modality", Modality)
def test_its_loss_is_that_of_its_own_triplets(modality: Modality) -> None:
    config = alone(modality)
    torch.manual_seed(0)
    network = GaitNetwork(config.model, config.diffusion, 2)
    frames = torch.randint(0, 256, (4, 3, modality.channels, 64, 64), dtype=torch.uint8)
    labels = torch.tensor([0, 0, 1, 1])
    network.train()
    embeddings = network.embed(frames, modality).detach().numpy()
    lost = []
    for part in range(embeddings.shape[1]):
        e, triplets = embeddings[:, part], []
        for i, j, k in np.ndindex(4, 4, 4):
            if i != j and labels[i] == labels[j] != labels[k]:
                far = [float(np.linalg.norm(e[i] - e[x])) for x in (j, k)]
                triplets.append(config.model.margin + far[0] - far[1])
        over = [x for x in triplets if x > 0]
        lost.append(sum(over) / max(len(over), 1))
    missing = torch.empty(0, 0, modality.counterpart.channels, 64, 64, dtype=torch.uint8)
    both = (frames, missing) if modality is Modality.SILHOUETTE else (missing, frames)
    noise = torch.empty(0, 4, dtype=torch.int64), torch.empty(0, 1, 4, 8, 4, 4)
    losses = network.losses(*both, labels, noise)  # type: ignore[arg-type]
    assert losses.terms["triplet"].item() == pytest.approx(np.mean(lost), rel=1e-4)
    assert losses.total == losses.terms["ce"] + losses.terms["triplet"]


def test_what_needs_both_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need both modalities to align"):
        tiny_config(model={"modalities": ["silhouette"]})
    with pytest.raises(ConfigError, match="at most once"):
        tiny_config(model={"modalities": ["silhouette", "silhouette"]})
    config = alone(Modality.SILHOUETTE)
    network = GaitNetwork(config.model, config.diffusion, 2)
    with pytest.raises(ConfigError, match="network of silhouette alone"):
        network.encoder(Modality.RANGE_VIEW)
    path = write_pack(tmp_path / "pack", modalities=(Modality.SILHOUETTE,))
    assert open_pack(Command(config, pack=path)).modalities == (Modality.SILHOUETTE,)
    with pytest.raises(PackError, match="has no range_view frames, only silhouette"):
        open_pack(Command(tiny_config(), pack=path))


@pytest.mark.parametrize("modality", Modality)
def test_a_network_and_a_pack_that_share_no_sensor_are_named(
    modality: Modality, tmp_path: Path
) -> None:
    config = alone(modality)
    network, cpu = GaitNetwork(config.model, config.diffusion, 2), torch.device("cpu")
    other = Pack.open(write_pack(tmp_path / "pack", modalities=(modality.counterpart,)))
    said = f"network of {modality} alone and .*, which holds {modality.counterpart} alone"
    with pytest.raises(EvaluationError, match=said):
        embed_modalities(network, other, other.records, cpu)
    with pytest.raises(EvaluationError, match=f"got a network of {modality} alone, need one of b"):
        embed_sequences(network, other, other.records, cpu)
    config = tiny_config()
    network = GaitNetwork(config.model, config.diffusion, 2)
    with pytest.raises(EvaluationError, match=f"got a pack of {modality.counterpart} alone"):
        embed_sequences(network, other, other.records, cpu)
