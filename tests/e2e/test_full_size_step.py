"""The paper's recipe at full size takes a real optimisation step, on the CPU, once."""

import math

import numpy as np
import pytest
import torch

from train.data.batches import TrainBatch
from train.loop.learner import Learner, Machine
from train.loop.ledger import Ledger
from train.presets import load_config

SUBJECTS = 250
"""Training people of SUSTech1K."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_one_step_of_the_paper_at_batch_8_8_10() -> None:
    config = load_config("sustech1k")
    # bfloat16 halves the activations: 12 GB at the peak instead of more than 20.
    machine = Machine(torch.device("cpu"), torch.bfloat16)
    learner = Learner(config, [f"{i:04d}" for i in range(SUBJECTS)], machine)
    network = learner.network
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in network.named_children()}
    silhouette, range_view = network.silhouette, network.range_view
    assert sum(p.numel() for p in silhouette.backbone.parameters()) == 4_896_960
    assert sum(p.numel() for p in range_view.backbone.parameters()) == 4_898_112
    assert sizes["regularizer"] <= 2_600_000
    assert sizes["fcs"] == 16 * 512 * 256
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    rate, losses = learner.step(1, full_batch(config.batch.frames))

    ledger = Ledger()
    ledger.add(1, rate, losses)
    (row,) = ledger.read()
    assert rate == 3e-4
    # Chance at the start: cosines near 0, so the cross-entropy is about log of 250.
    assert row["ce"] == pytest.approx(math.log(SUBJECTS), rel=0.2)
    assert {name.split("_")[0] for name in row} >= {"triplet", "p1", "p2", "p3"}
    # The denoiser's last layer begins at zero, so what is before it learns from the next step on.
    learned = {n: not torch.equal(p, before[n]) for n, p in network.named_parameters()}
    assert all(moved for name, moved in learned.items() if not name.startswith("regularizer."))
    assert any(moved for name, moved in learned.items() if name.startswith("regularizer."))
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


def full_batch(frames: int) -> TrainBatch:
    """8 subjects × 8 sequences of random blocky frames."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (64, frames, 4, 16, 16), dtype=np.uint8)
    pictures = torch.from_numpy(blocks.repeat(4, axis=3).repeat(4, axis=4))
    labels = torch.arange(8).repeat_interleave(8)
    return TrainBatch(pictures[:, :, :1], pictures[:, :, 1:], labels)
