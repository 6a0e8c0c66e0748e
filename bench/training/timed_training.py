"""One way to train, ready to be timed in turns with others."""

import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.training.noise_pack import random_pack
from bench.training.stopwatch import PARTS, TimedLearner
from train.batches import TrainBatch, batches, place_frames
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.device import pick_device, pick_precision, set_threads
from train.distributed import Ranks
from train.graph import WARM_UP
from train.learner import Machine
from train.split import split_people

SETTLE = WARM_UP + 2
"""Steps before the first that is timed: allocation, autotuning, compilation, recording."""

SUBJECTS = 250
"""People trained on where the preset does not say: those of SUSTech1K."""


def open_frames(pack: Path | None, config: TrainConfig) -> Pack:
    """The pack, or noise where there is none."""
    if pack is not None:
        return Pack.open(pack)
    people = config.walkers.train if config.data.simulated else None
    return random_pack(people or SUBJECTS, config.batch.frames + 2)


class Trainer:
    """A learner, its batches, and the memory it needs.

    Args:
        config: of this way to train.
        pack: the frames; validation people, if any, are left out as in training.
        machine: what to compute on.
    """

    def __init__(self, config: TrainConfig, pack: Pack, machine: Machine) -> None:
        self._machine, self._iteration = machine, count(1)
        before = self._allocated()
        records, batch = split_people(pack.records, config).train, config.batch
        sampler = PKSampler(
            [r.subject for r in records],
            [r.length for r in records],
            batch.subjects,
            batch.sequences,
            batch.frames,
            config.seed,
        )
        self._learner = TimedLearner(config, list(sampler.classes), machine)
        frames = place_frames(pack, records, config.run.frames, machine.device)
        device, _, ranks = machine
        self._stream: Iterator[TrainBatch] = batches(frames, sampler, ranks, device, 1, sys.maxsize)
        self._peak = 0
        self._watched(SETTLE, before)  # a recorded step takes its memory while it is recorded
        self._held = self._allocated() - before

    def turn(self, steps: int) -> NDArray[np.float64]:
        """Some steps in a row, after one that only brings this learner back into the caches.

        Returns:
            `(steps, 4)` seconds of data, forward, backward and optimiser.
        """
        self._steps(1)
        return self._watched(steps, self._allocated() - self._held)

    def _watched(self, steps: int, others: int) -> NDArray[np.float64]:
        cuda = self._machine.device.type == "cuda"
        if cuda:
            torch.cuda.reset_peak_memory_stats(self._machine.device)
        seconds = self._steps(steps)
        if cuda:
            peak = torch.cuda.max_memory_allocated(self._machine.device) - others
            self._peak = max(self._peak, peak)
        return seconds

    @property
    def peak_bytes(self) -> int:
        """The most CUDA memory this learner and its frames took in any step; 0 on a CPU."""
        return self._peak

    def _steps(self, steps: int) -> NDArray[np.float64]:
        watch = self._learner.watch
        watch.mark()
        for iteration in islice(self._iteration, steps):
            batch = next(self._stream)
            watch.mark()
            self._learner.step(iteration, batch)
        return np.diff(watch.read()).reshape(steps, len(PARTS))

    def _allocated(self) -> int:
        device = self._machine.device
        return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def make_machine(config: TrainConfig, ranks: Ranks = Ranks()) -> Machine:  # noqa: B008
    """What the configuration trains on here."""
    device = pick_device(config.run, ranks)
    set_threads(config.run)
    return Machine(device, pick_precision(config.run, device), ranks)


def resident_bytes(config: TrainConfig, pack: Path | None) -> int:
    """The most memory that a process of its own held which did nothing but train a few steps."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        return child.submit(_train_alone, config, pack).result()


def _train_alone(config: TrainConfig, pack: Path | None) -> int:
    Trainer(config, open_frames(pack, config), make_machine(config))
    return _most_held()


def _most_held() -> int:
    """The most memory of this process; on Linux not from getrusage, which passes on a parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
