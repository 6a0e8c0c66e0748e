"""The weights that a network starts with, of every layer; of part embeddings: test_heads.py."""

import pytest
import torch
from torch import nn

from tests.training_setup import tiny_config
from train.model.initialisation import Initialisation
from train.model.network import GaitNetwork


def network(start: Initialisation) -> GaitNetwork:
    config = tiny_config(model={"initialisation": start, "channels": [32, 32, 64, 64]})
    torch.manual_seed(0)
    return GaitNetwork(config.model, config.diffusion, 4)


def test_every_layer_starts_as_in_opengait() -> None:
    net = network("opengait_whole")
    assert net.regularizer is not None
    (denoiser,) = net.regularizer.denoisers
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert {*denoiser.modules()} & {*layers}
    for layer in layers:
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        bound, highest = (6 / (fan_in + fan_out)) ** 0.5, layer.weight.abs().max().item()
        assert 0.95 * bound < highest <= bound * 1.000001
        assert layer.bias is None or not layer.bias.any()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    factors = torch.cat([m.weight.detach() for m in norms if m.affine])
    assert factors.mean().item() == pytest.approx(1, abs=0.005)
    assert factors.std().item() == pytest.approx(0.02, rel=0.1)


def test_without_it_layers_start_as_they_did() -> None:
    ours, half = network("per_part"), network("opengait")
    for (name, one), other in zip(ours.named_parameters(), half.parameters(), strict=True):
        assert torch.equal(one, other) == (name not in {"fcs.weight", "neck.weight"}) or (
            "regularizer" in name  # drawn later, from other random numbers
        )
    norms = [m for m in ours.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(bool((m.weight == 1).all()) for m in norms)
    assert ours.regularizer is not None
    assert not ours.regularizer.get_parameter("denoisers.0.predict.weight").any()
