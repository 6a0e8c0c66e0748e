"""The paper's network and recipe take a real optimisation step, on the CPU, once.

At full size but for the batch: 8 clips in place of 64, which would take ten minutes and 20 GB.
"""

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
def test_one_step_of_the_paper_at_batch_4_2_10() -> None:
    config = load_config("sustech1k")
    batch = config.batch.model_copy(update={"subjects": 4, "sequences": 2})
    config = config.model_copy(update={"batch": batch})
    machine = Machine(torch.device("cpu"), torch.float32)
    learner = Learner(config, [f"{i:04d}" for i in range(SUBJECTS)], machine)
    network = learner.network
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in network.named_children()}
    silhouette, range_view = network.silhouette, network.range_view
    assert sum(p.numel() for p in silhouette.backbone.parameters()) == 4_896_960
    assert sum(p.numel() for p in range_view.backbone.parameters()) == 4_898_112
    assert sizes["regularizer"] <= 2_600_000
    assert sizes["fcs"] == 16 * 512 * 256
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    rate, losses = learner.step(1, blocky_batch(4, 2, config.batch.frames))

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


def blocky_batch(subjects: int, sequences: int, frames: int) -> TrainBatch:
    """Random blocky frames."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (subjects * sequences, frames, 4, 16, 16), dtype=np.uint8)
    pictures = torch.from_numpy(blocks.repeat(4, axis=3).repeat(4, axis=4))
    labels = torch.arange(subjects).repeat_interleave(sequences)
    return TrainBatch(pictures[:, :, :1], pictures[:, :, 1:], labels)
