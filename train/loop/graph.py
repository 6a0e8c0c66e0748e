"""A training step as one CUDA graph: recorded once, then started by a single call.

Step by step, the processor asks for some two thousand kernels and a fast GPU waits for it. A graph
is asked for once, and does the same on the same memory. So whatever goes in is copied to where the
graph reads it, and what comes out lies where the last step's lay.

Losses that need the host to look at a value (an fp16 scaler) or kernels of other processes (DDP)
are not recorded: see `refuse_graph`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gait.errors import ConfigError
from train.data.batches import TrainBatch
from train.diffusion.trajectory import Noise
from train.losses import Losses

Step = Callable[[TrainBatch, Noise], Losses]
"""Forward, backward and update on one batch."""

WARM_UP = 3
"""Steps done before the recording: libraries choose algorithms, the optimiser makes its state."""


def refuse_graph(device: torch.device, precision: torch.dtype, world: int) -> None:
    """Says why a step cannot be recorded.

    Raises:
        ConfigError: not on CUDA, in fp16, or by several processes.
    """
    if device.type != "cuda":
        raise ConfigError(f"got run.graph on {device.type}, need a CUDA device: leave it off")
    if precision == torch.float16:
        raise ConfigError("got run.graph with fp16, need run.precision bf16 or fp32")
    if world > 1:
        raise ConfigError(f"got run.graph with {world} processes, need one: leave it off")


class RecordedStep:
    """A step that is recorded after its first calls and replayed from then on.

    Args:
        step: what to record. It must do the same to the same tensors whenever it is called.
    """

    def __init__(self, step: Step) -> None:
        self._step, self._calls = step, 0
        self._inputs: list[Tensor] = []
        self._replay: Callable[[], None] | None = None
        self._losses: Losses | None = None

    def __call__(self, batch: TrainBatch, noise: Noise) -> Losses:
        """One step. The losses are overwritten by the next one: copy or read them before."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return aside(lambda: self._step(batch, noise))
        if self._replay is None or self._losses is None:
            self._inputs = [values.clone() for values in (*batch, *noise)]
            held = TrainBatch(*self._inputs[:3]), Noise(*self._inputs[3:])
            self._replay, self._losses = record(lambda: self._step(*held))
        for place, values in zip(self._inputs, (*batch, *noise), strict=True):
            place.copy_(values, non_blocking=True)
        self._replay()
        return self._losses


def aside(work: Callable[[], Losses]) -> Losses:
    """Does it on a stream of its own, as what is recorded later must have been done before."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        losses = work()
    torch.cuda.current_stream().wait_stream(stream)
    return losses


def record(work: Callable[[], Losses]) -> tuple[Callable[[], None], Losses]:
    """Records what the work asks of the GPU, without doing it.

    Returns:
        What does it, and the losses that it fills.
    """
    graph = torch.cuda.CUDAGraph()
    # The thread that gathers batches may pin memory meanwhile, hence `thread_local`.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        losses = work()
    return graph.replay, losses
