"""Run by torchrun: the gradients and statistics of one step of the tiny network, to a file."""

import sys
from pathlib import Path
from typing import Any

import torch

from tests.training_setup import tiny_config
from train.config import RivalMethod
from train.data.batches import MappedFrames, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.loop.learner import Learner, Machine
from train.loop.ledger import Ledger
from train.machine.distributed import Ranks, process_group

CPU = torch.device("cpu")


def save_step(pack: Pack, out: Path, ranks: Ranks, rival: RivalMethod | None = None) -> None:
    """One forward and backward pass on this rank's share of a global batch of 4 × 2 clips."""
    torch.set_num_threads(1)
    changes: dict[str, dict[str, Any]] = {"batch": {"subjects": 4}}
    if rival is not None:
        changes |= {"rival": {"method": rival}, "diffusion": {"phases": ()}}
    config = tiny_config(**changes)
    records = pack.records
    sampler = PKSampler([r.subject for r in records], [r.length for r in records], 4, 2, 3)
    learner = Learner(config, list(sampler.classes), Machine(CPU, ranks=ranks))
    batch = next(batches(MappedFrames(pack, records), sampler, ranks, CPU, 5, 5))
    if learner.network.rival is not None:
        learner.network.rival.at(1.0)
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


def native_threads() -> list[str]:
    """The names of this process's threads, those that Python did not start included."""
    return [p.read_text().strip() for p in Path("/proc/self/task").glob("*/comm")]


if __name__ == "__main__":
    everyone, pack, out = Ranks.from_environment(), *map(Path, sys.argv[1:])
    with process_group(everyone, CPU):
        save_step(Pack.open(pack), out, everyone)
        for method in RivalMethod:
            save_step(Pack.open(pack), out.with_name(f"two-{method}.pt"), everyone, method)
    out.with_suffix(f".threads{everyone.rank}").write_text(" ".join(native_threads()))
