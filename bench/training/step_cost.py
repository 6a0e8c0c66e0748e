"""The arithmetic and the memory traffic of a training step, counted op by op from the model.

The real step runs on fake tensors, which have shapes and no values: full size is counted on a
laptop. FLOPs are two for each multiply-add of convolutions and matrix products; bytes are those of
every op's arguments and results, as if no op shared a cache or a kernel with the next. From both
and the rates of a machine follows the time that it needs at best, one op after the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from bench.measuring.clock import quickest
from gait.modality import SIZE, Modality
from train.config import TrainConfig
from train.data.batches import TrainBatch
from train.diffusion import denoiser
from train.loop.learner import Learner, Machine

Formula = Callable[..., int]

FREE = ("prim.", "aten.empty", "aten.new_empty", "aten._unsafe_view")
"""Ops that touch no values, besides views."""


@dataclass(frozen=True)
class Rates:
    """What a machine can do at best: FLOP/s of matrix products, bytes/s of its memory."""

    flops: float
    bytes: float


@dataclass
class OpCost:
    """What all calls of one op in one step add up to; `seconds` at given rates, else 0."""

    calls: int = 0
    flops: int = 0
    bytes: int = 0
    seconds: float = 0.0


class OpCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up calls, FLOPs and bytes of every op that computes or copies; views are free.

    Each call takes the longer of its arithmetic and its traffic at the rates.
    """

    def __init__(self, rates: Rates | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rates = rates
        self.ops: defaultdict[str, OpCost] = defaultdict(OpCost)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not func.is_view and not str(func).startswith(FREE):
            cost = self.ops[str(func.overloadpacket)]
            cost.calls += 1
            moved = sum(map(_bytes, _tensors([args, kwargs, out])))
            formula = FORMULAS.get(func.overloadpacket)
            flops = formula(*args, **kwargs, out_val=out) if formula else 0
            cost.bytes += moved
            cost.flops += flops
            if self._rates:
                cost.seconds += max(flops / self._rates.flops, moved / self._rates.bytes)
        return out


def _tensors(values: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


def _bytes(tensor: Tensor) -> int:
    """Of the distinct elements: what is expanded is read once."""
    sizes = (n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step)
    return prod(sizes) * tensor.element_size()


def convolution_backward(
    grad: Tensor, _: Tensor, weight: Tensor, *rest: object, out_val: Sequence[Tensor | None]
) -> int:
    """Each of the two gradients asked for costs what the forward convolution did.

    torch's own formula counts the weights' gradient of a grouped convolution `groups` times over.
    """
    transposed, needed = rest[4], sum(result is not None for result in out_val[:2])
    assert not transposed
    return 2 * grad.numel() * prod(weight.shape[1:]) * needed


FORMULAS: dict[object, Formula] = {
    **flop_registry,
    torch.ops.aten.convolution_backward: convolution_backward,
}


def count_step(
    config: TrainConfig,
    subjects: int,
    precision: torch.dtype,
    rates: Rates | None = None,
    *,
    gpu: bool = False,
) -> dict[str, OpCost]:
    """The cost of each op of one whole step, updating included, the costliest first.

    Args:
        config: of the run.
        subjects: training subjects N.
        precision: of autocast; float32 means none.
        rates: of the machine to predict for, if any.
        gpu: whether that is a GPU, for which the denoiser does some things otherwise.
    """
    classes = [str(i) for i in range(subjects)]
    learner = Learner(config, classes, Machine(torch.device("cpu"), precision))
    path = patch.object(denoiser, "on_processor", lambda _: not gpu)
    with path, FakeTensorMode(allow_non_fake_inputs=True):
        batch = _batch(config)
        learner.step(1, batch)  # the optimiser makes its state
        with OpCounter(rates) as counter:
            learner.step(2, batch)
    ops = counter.ops.items()
    return dict(sorted(ops, key=lambda op: (op[1].flops, op[1].bytes), reverse=True))


def _batch(config: TrainConfig) -> TrainBatch:
    batch = config.batch
    n, s = batch.subjects * batch.sequences, batch.frames
    first, second = (torch.zeros(n, s, m.channels, SIZE, SIZE, dtype=torch.uint8) for m in Modality)
    return TrainBatch(first, second, torch.zeros(n, dtype=torch.int64))


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of some large square matrix products, as this machine is now."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _best(lambda: a @ b, device)


def copy_peak(device: torch.device) -> float:
    """Bytes read and written a second by the best of some large copies."""
    count = 2**30 if device.type == "cuda" else 2**27
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * count / _best(lambda: target.copy_(source), device)


def _best(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quickest of many calls, each until the device is done."""

    def finished() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    finished()
    return quickest(finished, 2.0)
