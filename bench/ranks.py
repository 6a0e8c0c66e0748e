"""What a second process costs: `python -m bench.ranks [PRESET]`.

The same global batch by one process on one thread, by one on two threads, and by two processes of
one thread each that exchange statistics, embeddings and gradients through gloo. What two ranks take
beyond half of one is the overhead: communication, BatchNorm over all ranks, and work done twice.
"""

import json
import os
import socket
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context

import numpy as np
import torch
import tyro

from bench.measuring.options import Json, Preset
from bench.training.machine import make_machine
from bench.training.timed_training import Trainer, open_frames
from gait.cli import run
from gallery.command_line.table import table
from train.config import TrainConfig
from train.machine.distributed import Ranks, process_group
from train.presets import load_config


@dataclass(frozen=True)
class Launch:
    """How many processes, and how many threads of torch in each."""

    processes: int
    threads: int


LAUNCHES = (Launch(1, 1), Launch(1, 2), Launch(2, 1))


@dataclass(frozen=True)
class LaunchTimes:
    """Seconds of a step of a launch: median and 90 % quantile over all turns, on rank 0."""

    launch: Launch
    median: float
    p90: float


def main(
    preset: Preset = "demo",
    iterations: int = 10,
    turns: int = 3,
    as_json: Json = False,
) -> None:
    """Measures the three launches in turns.

    Args:
        iterations: timed steps of each launch in a turn.
        turns: how often each launch comes.
    """
    config = load_config(preset)
    taken: dict[Launch, list[float]] = {launch: [] for launch in LAUNCHES}
    for _ in range(turns):
        for launch in LAUNCHES:
            taken[launch] += step_seconds(config, launch, iterations)
    rows = [
        LaunchTimes(launch, float(np.median(steps)), float(np.quantile(steps, 0.9)))
        for launch, steps in taken.items()
    ]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    cells = [
        (r.launch.processes, r.launch.threads, round(r.median, 3), round(r.p90, 3)) for r in rows
    ]
    print(table(("processes", "threads", "s/step", "p90"), cells))
    one, _, two = (row.median for row in rows)
    print(
        f"two ranks take {two / one:.2f} of one rank's step; overhead per rank "
        f"{1000 * (two - one / 2):.0f} ms a step, {two / (one / 2) - 1:.0%} of half a step"
    )


def step_seconds(config: TrainConfig, launch: Launch, iterations: int) -> list[float]:
    """Seconds of each step on rank 0, in processes of their own."""
    changes = {"device": "cpu", "threads": launch.threads}
    config = config.model_copy(update={"run": config.run.model_copy(update=changes)})
    port = _free_port()
    with ProcessPoolExecutor(launch.processes, mp_context=get_context("spawn")) as children:
        ranks = [Ranks(rank, launch.processes, rank) for rank in range(launch.processes)]
        steps = [children.submit(train_rank, config, rank, port, iterations) for rank in ranks]
        return steps[0].result()


def train_rank(config: TrainConfig, ranks: Ranks, port: int, iterations: int) -> list[float]:
    """One process of a launch; every one must be called, as they wait for each other."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(ranks.rank),
        "WORLD_SIZE": str(ranks.world),
    }
    with process_group(ranks, torch.device("cpu")):
        trainer = Trainer(config, open_frames(None, config), make_machine(config.run, ranks))
        steps: list[float] = trainer.turn(iterations).sum(axis=1).tolist()
    return steps


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.ranks"))
