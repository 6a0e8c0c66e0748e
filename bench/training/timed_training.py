"""Training that is timed: the parts of each step, and the memory it needs."""

import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.measuring.process_memory import in_child, peak_bytes
from bench.training.machine import make_machine
from bench.training.noise_pack import noise_pack
from train.config import TrainConfig
from train.data.batches import TrainBatch, batches, place_frames
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.data.split import split_people
from train.diffusion.trajectory import Noise
from train.loop.graph import WARM_UP
from train.loop.learner import Learner, Machine
from train.losses import Losses

UNTIMED = WARM_UP + 2
"""Steps before the first that is timed: allocation, autotuning, compilation, recording."""

SUBJECTS = 250
"""People trained on where the preset does not say: those of SUSTech1K."""

PARTS = ("data", "forward", "backward", "optimiser")


class Stopwatch:
    """Moments in a stream of work: CUDA events on a GPU, which wait for nothing, else the clock."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events: list[torch.cuda.Event] = []
        self._times: list[float] = []

    def mark(self) -> None:
        """Notes the moment at which the work given so far is done."""
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            self._events.append(event)
        else:
            self._times.append(time.perf_counter())

    def read(self) -> NDArray[np.float64]:
        """Seconds of every moment after the first; waits for the device and begins anew."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            first = self._events[0]
            moments = [first.elapsed_time(event) / 1000 for event in self._events]
        else:
            moments = [moment - self._times[0] for moment in self._times]
        self._events, self._times = [], []
        return np.array(moments)


class TimedLearner(Learner):
    """The learner of training itself, with a stopwatch between the parts of its step.

    A recorded step has no parts: all of it counts as forward.
    """

    def __init__(self, config: TrainConfig, classes: list[str], machine: Machine) -> None:
        super().__init__(config, classes, machine)
        self.watch = Stopwatch(machine.device)

    def step(self, iteration: int, batch: TrainBatch) -> tuple[float, Losses]:
        done = super().step(iteration, batch)
        if self.config.run.graph:
            for _ in PARTS[1:]:
                self.watch.mark()
        return done

    def losses(self, batch: TrainBatch, noise: Noise) -> Losses:
        losses = super().losses(batch, noise)
        self._mark()
        return losses

    def backward(self, losses: Losses) -> None:
        super().backward(losses)
        self._mark()

    def update(self) -> None:
        super().update()
        self._mark()

    def _mark(self) -> None:
        if not self.config.run.graph:
            self.watch.mark()


def open_frames(pack: Path | None, config: TrainConfig) -> Pack:
    """The pack, or noise where there is none."""
    if pack is not None:
        return Pack.open(pack)
    people = config.walkers.train if config.data.simulated else None
    return noise_pack(people or SUBJECTS, config.batch.frames + 2)


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
        self._watched(UNTIMED, before)  # a recorded step takes its memory while it is recorded
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
    def fell_back(self) -> bool:
        """Whether torch was to compile the denoiser and could not, so that it runs as it is."""
        branch = self._learner.network.regularizer
        if branch is None or self._learner.config.run.compile != "denoiser":
            return False
        return not branch.compiled

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


def memory_alone(config: TrainConfig, pack: Path | None) -> int:
    """The most bytes that a process held which did nothing but train a few steps."""
    return in_child(_train_alone, config, pack)


def _train_alone(config: TrainConfig, pack: Path | None) -> int:
    Trainer(config, open_frames(pack, config), make_machine(config.run))
    return peak_bytes()
