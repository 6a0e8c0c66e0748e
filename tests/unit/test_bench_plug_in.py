"""The bench of the plug-in: its network is a ResNet-50, and all of it trains."""

import pytest
import torch

from bench.training.plug_in import ALONE, BRANCHES, Step, TwoStreams, main, measure
from gait.errors import ConfigError


def test_the_network_is_a_resnet_50_with_a_stem_for_each_kind_of_pictures() -> None:
    network = TwoStreams(people=10)
    stem = sum(p.numel() for p in network.visible.parameters())
    head = 2 * 2048 + 10 * 2048
    # 23,508,032 without its classifier, as torchvision's
    assert sum(p.numel() for p in network.parameters()) == 23_508_032 + stem + head
    with torch.no_grad():
        pictures = torch.rand(2, 1, 3, 64, 32)
        shapes = [first.shape[1:] for first, _ in network(*pictures)]
    assert shapes == [(1024, 4, 2), (2048, 4, 2)]


def test_every_branch_adds_parameters_operations_and_trains() -> None:
    rows = {row.name: row for row in measure(4, (64, 32), 8, 1)}
    assert list(rows) == [ALONE, *BRANCHES]
    alone = rows.pop(ALONE)
    assert alone.times == 1
    for row in rows.values():
        assert row.parameters > alone.parameters
        assert row.gflop > alone.gflop
        assert row.seconds > 0
    wide, narrow, clean = rows.values()
    assert wide.gflop > clean.gflop
    assert narrow.parameters > clean.parameters
    step = Step(BRANCHES["latent_channels 256"], 4, (64, 32), 8)
    step()
    loss = step.loss()
    assert loss.isfinite()
    (gradient,) = torch.autograd.grad(loss, [step.network.get_parameter("visible.0.0.weight")])
    assert gradient.any()


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(ConfigError, match="3 pairs"):
        main(pairs=3)
