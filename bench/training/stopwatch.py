"""How long the parts of a training step take."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from train.batches import TrainBatch
from train.config import TrainConfig
from train.diffusion.trajectory import Noise
from train.learner import Learner, Machine
from train.losses import Losses

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
