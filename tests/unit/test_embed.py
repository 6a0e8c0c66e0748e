"""Embedding a pack: batching by length changes nothing but the time it takes."""

import numpy as np
import pytest
import torch

from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train import embed
from train.data.pack import Pack
from train.embed import batched_by_length, embed_sequences
from train.model.network import GaitNetwork

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack", lengths=(1, 12)))


def network() -> GaitNetwork:
    config = tiny_config()
    torch.manual_seed(0)
    return GaitNetwork(config.model, config.diffusion, 4)


def test_batches_give_what_each_alone_gives(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "FRAMES_PER_BATCH", 30)
    records, net = pack.records[10:27], network()
    found = embed_sequences(net, pack, records, CPU)
    net.eval()
    for modality, vectors in zip(Modality, found, strict=True):
        assert vectors.shape == (17, 4, 8)
        assert vectors.dtype == np.float32
        for record, vector in zip(records, vectors, strict=True):
            frames = torch.from_numpy(np.array(pack.frames(record, modality)))[None]
            with torch.inference_mode():
                alone = net.embed(frames, modality)[0]
            np.testing.assert_allclose(vector, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_networks_mode_and_statistics_are_left_alone(pack: Pack, training: bool) -> None:
    net = network().train(training)
    before = {name: values.clone() for name, values in net.state_dict().items()}
    embed_sequences(net, pack, pack.records[:3], CPU)
    assert net.training is training
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())


def test_groups_hold_every_sequence_once_within_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embed, "FRAMES_PER_BATCH", 50)
    lengths = np.random.default_rng(0).integers(1, 90, 200)
    groups = batched_by_length(lengths)
    assert sorted(np.concatenate(groups).tolist()) == list(range(200))
    for group in groups:
        assert len(group) == 1 or len(group) * lengths[group].max() <= 50
