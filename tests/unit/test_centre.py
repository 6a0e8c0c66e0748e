"""Centring: the mean embedding of training walks is taken away, in each modality for itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gait.errors import ConfigError, PackError
from gait.modality import Modality
from gait.range_style import RangeStyle
from tests.packs import drawn_as, write_pack
from tests.training_command import trained
from tests.training_setup import tiny_config, write_tiny_yaml
from train.centre import main
from train.checkpoint import Checkpoint, build_network, load_checkpoint, save_checkpoint
from train.data.pack import Pack
from train.data.split import split_people
from train.embed import embed_sequences
from train.loop import embedding_centre as centring
from train.loop.embedding_centre import centre_embeddings
from train.loop.learner import Machine
from train.loop.training_run import BEST, LAST, TrainingRun
from train.model.network import GaitNetwork

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))


def network() -> GaitNetwork:
    config = tiny_config()
    torch.manual_seed(0)
    return GaitNetwork(config.model, config.diffusion, 4)


def test_the_walks_it_is_of_have_mean_zero_and_keep_their_distances(pack: Pack) -> None:
    net, records = network(), pack.records[:20]
    before = embed_sequences(net, pack, records, CPU)
    for _ in range(2):  # again: it does not add up
        centre_embeddings(net, pack, records, CPU, torch.float32)
    after = embed_sequences(net, pack, records, CPU)
    for raw, centred, modality in zip(before, after, Modality, strict=True):
        np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(raw - raw.mean(axis=0), centred, atol=1e-5)
        assert net.branch(modality).centre.abs().max() > 1e-3


def test_of_many_walks_some_are_taken_from_first_to_last(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(centring, "WALKS", 3)
    net, records = network(), pack.records[:21]
    centre_embeddings(net, pack, records, CPU, torch.float32)
    chosen = embed_sequences(net, pack, [records[0], records[10], records[20]], CPU)
    for centred in chosen:
        np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-5)


def test_training_itself_knows_no_centre(pack: Pack) -> None:
    net = network()
    frames = [torch.from_numpy(np.array(pack.frames(pack.records[0], m)))[None] for m in Modality]
    features = (
        net.silhouette.head(net.silhouette.features(frames[0])),
        net.range_view.head(net.range_view.features(frames[1])),
    )
    label = torch.tensor([0])
    before = net.eval().identity_terms(*features, label)
    net.silhouette.centre.fill_(3)
    after = net.identity_terms(*features, label)
    assert all(torch.equal(term, after[name]) for name, term in before.items())


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("held_out", [0, 1])
def test_a_finished_run_is_centred_on_those_it_trained_on(
    pack: Pack, tmp_path: Path, centred: bool, held_out: int
) -> None:
    config = tiny_config(
        optim={"iterations": 2}, model={"centred": centred}, data={"validation_subjects": held_out}
    )
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path, Machine(CPU)).run()
    net = build_network(load_checkpoint(tmp_path / BEST))
    for embeddings, modality in zip(
        embed_sequences(net, pack, split.train, CPU), Modality, strict=True
    ):
        offset = float(np.abs(embeddings.mean(axis=0)).max())
        assert (offset < 1e-5) is centred
        assert bool(net.branch(modality).centre.any()) is centred


def test_weights_of_before_there_were_centres_still_load() -> None:
    net = network()
    state = {name: x for name, x in net.state_dict().items() if not name.endswith("centre")}
    assert len(state) == len(net.state_dict()) - 2
    net.load_state_dict(state)
    assert not net.silhouette.centre.any()


def test_a_checkpoint_of_before_there_were_centres_says_it_has_none(tmp_path: Path) -> None:
    config, net = tiny_config(), network()
    content = config.model_dump(mode="json")
    del content["model"]["centred"]
    state = {name: x for name, x in net.state_dict().items() if not name.endswith("centre")}
    path = tmp_path / "old.pt"
    save_checkpoint(path, Checkpoint(config, state, ["a"] * 4, iteration=1, simulated=True))
    saved = torch.load(path, weights_only=True)
    torch.save({**saved, "config": content}, path)
    found = load_checkpoint(path)
    assert not found.config.model.centred
    assert not build_network(found).range_view.centre.any()


def test_a_checkpoint_is_centred_afterwards(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(
        optim={"iterations": 2}, model={"centred": False}, evaluation={"distance": "euclidean"}
    )
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path, Machine(CPU)).run()
    main(tmp_path / BEST, tmp_path / "centred.pt", pack.path)
    found = load_checkpoint(tmp_path / "centred.pt")
    assert found.config.model.centred
    assert found.config.distance == "cosine", "as it is served"
    assert found.optimiser, "training can go on"
    net, raw = build_network(found), build_network(load_checkpoint(tmp_path / BEST))
    assert not raw.silhouette.centre.any()
    for embeddings in embed_sequences(net, pack, split.train, CPU):
        np.testing.assert_allclose(embeddings.mean(axis=0), 0, atol=1e-2)


@pytest.mark.parametrize("distance", [None, "euclidean"])
def test_training_goes_on_from_a_centred_checkpoint_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    distance: str | None,
) -> None:  # fmt: skip
    changes: dict[str, dict[str, Any]] = {
        "model": {"centred": False},
        "evaluation": {"distance": distance},
    }
    preset, pack = write_tiny_yaml(tmp_path, **changes), write_pack(tmp_path / "pack")
    words = [str(preset), "--pack", str(pack), "--out", str(tmp_path / "run")]
    words += ["--optim.schedule", "steps", "--optim.milestones", "5"]
    trained(monkeypatch, *words, "--optim.iterations", "1")
    main(tmp_path / "run" / LAST, tmp_path / "centred.pt", pack)
    options = capsys.readouterr().err.splitlines()[-1].partition(" goes on with ")[2].split()
    (tmp_path / "centred.pt").replace(tmp_path / "run" / LAST)
    trained(monkeypatch, *words, "--optim.iterations", "2", *options)
    found = load_checkpoint(tmp_path / "run" / LAST)
    assert (found.iteration, found.config.model.centred) == (2, True)


def test_a_checkpoint_of_a_packed_dataset_needs_the_pack(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(optim={"iterations": 1})
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, Machine(CPU)).run()
    with pytest.raises(ConfigError, match="--pack"):
        main(tmp_path / BEST, tmp_path / "centred.pt")


def test_centring_needs_the_people_trained_on(pack: Pack, tmp_path: Path) -> None:
    config = tiny_config(optim={"iterations": 1})
    TrainingRun(config, pack, split_people(pack.records, config), tmp_path, Machine(CPU)).run()
    others = write_pack(tmp_path / "others", train=2)
    with pytest.raises(PackError, match="lacks people"):
        main(tmp_path / BEST, tmp_path / "centred.pt", others)
    with pytest.raises(PackError, match="range views of style scatter"):
        main(tmp_path / BEST, tmp_path / "centred.pt", drawn_as(others, RangeStyle.SCATTER))
    assert not (tmp_path / "centred.pt").exists()
