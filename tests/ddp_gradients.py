"""Run by torchrun: the gradients and statistics of one step of the tiny network, to a file."""

import sys
from pathlib import Path

import torch

from tests.training_setup import tiny_config
from train.batches import MappedFrames, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.distributed import Ranks, process_group
from train.learner import Learner, Machine
from train.ledger import Ledger

CPU = torch.device("cpu")


def save_step(pack: Pack, out: Path, ranks: Ranks) -> None:
    """One forward and backward pass on this rank's share of a global batch of 4 × 2 clips."""
    torch.set_num_threads(1)
    config = tiny_config(batch={"subjects": 4})
    records = pack.records
    sampler = PKSampler([r.subject for r in records], [r.length for r in records], 4, 2, 3)
    learner = Learner(config, list(sampler.classes), Machine(CPU, ranks=ranks))
    batch = next(batches(MappedFrames(pack, records), sampler, ranks, CPU, 5, 5))
    losses, ledger = learner.losses(batch, learner.noise(5)), Ledger()
    losses.total.backward()  # type: ignore[no-untyped-call]
    ledger.add(5, 0.0, losses)
    rows = ledger.read()
    if ranks.main:
        gradients = {name: p.grad for name, p in learner.network.named_parameters()}
        torch.save(
            {"gradients": gradients, "buffers": dict(learner.network.named_buffers())}
            | {"losses": rows[0]},
            out,
        )


if __name__ == "__main__":
    everyone = Ranks.from_environment()
    with process_group(everyone, CPU):
        save_step(Pack.open(Path(sys.argv[1])), Path(sys.argv[2]), everyone)
