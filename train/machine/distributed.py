"""Several processes as one: ranks, a differentiable all-gather, BatchNorm over all ranks.

A single process needs none of it: every function here is the identity when the world is one rank.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
import torch.distributed.nn  # see process_group: this module keeps the group it is imported under
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Ranks:
    """Which process this is, among how many (`torchrun` sets the environment)."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> "Ranks":
        """The ranks `torchrun` announced, or the only process."""
        announced = os.environ.get
        return cls(
            rank=int(announced("RANK", "0")),
            world=int(announced("WORLD_SIZE", "1")),
            local=int(announced("LOCAL_RANK", "0")),
        )


@contextmanager
def process_group(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Joins the processes of a launch for the duration: NCCL on CUDA, gloo on CPU.

    Nothing of the group may live on: a thread of gloo that lets a tensor go while Python shuts
    down aborts the process. `torch.distributed.nn` would keep the group for good if imported
    under it (as DDP does), and the cycles of a DDP model until they are collected.
    """
    if ranks.world == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
        gc.collect()


def world_size() -> int:
    """Processes in the group; 1 without one."""
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(flag: bool, device: torch.device) -> bool:
    """Whether the flag is raised on any rank. A collective call: every rank must make it."""
    if world_size() == 1:
        return flag
    raised = torch.tensor(int(flag), device=device)
    dist.all_reduce(raised, op=dist.ReduceOp.MAX)
    return bool(raised.item())


def barrier() -> None:
    """Waits for every rank."""
    if world_size() > 1:
        dist.barrier()


def gather(values: Tensor) -> Tensor:
    """The rows of every rank, in rank order; differentiable.

    Each rank is expected to compute the same loss from the gathered rows. The gradient of a row is
    then the sum over the ranks, which the averaging of parameter gradients brings back to one.

    Args:
        values: `(n, ...)`, the same shape on every rank.

    Returns:
        `(n · world, ...)`.
    """
    return values if world_size() == 1 else _Gather.apply(values)  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_: FunctionCtx, values: Tensor) -> Tensor:
        rows = [torch.empty_like(values) for _ in range(world_size())]
        dist.all_gather(rows, values.contiguous())
        return torch.cat(rows)

    @staticmethod
    def backward(_: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(world_size())[dist.get_rank()]


class AllRanksBatchNorm(_BatchNorm):
    """BatchNorm whose training statistics run over the batches of all ranks.

    torch's `SyncBatchNorm` does the same on CUDA and refuses CPU tensors; this one is for gloo.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        standard, mean, variance = _Standardise.apply(input, self.eps)  # type: ignore[no-untyped-call]
        count = input.numel() // input.shape[1] * world_size()
        self._track(mean, variance * count / max(count - 1, 1))
        if not self.affine:
            return cast(Tensor, standard)
        shape, dtype = _per_channel(input), input.dtype
        weight, bias = (x.view(shape).to(dtype) for x in (self.weight, self.bias))
        return torch.addcmul(bias, standard, weight)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _Standardise(torch.autograd.Function):
    """Zero mean and unit variance of each channel over all ranks; one exchange each way.

    torch's own kernel standardises by this rank's statistics. What those of all ranks make of it
    is one more scale and shift of each channel. Statistics are float32 whatever the dtype.
    """

    @staticmethod
    def forward(context: FunctionCtx, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        one = torch.ones(x.shape[1], device=x.device)
        own, mean, inverse = torch.native_batch_norm(
            x, one, torch.zeros_like(one), None, None, True, 0.0, eps
        )
        variance = inverse.square().reciprocal() - eps
        means, variances = _of_all_ranks(torch.stack([mean, variance])).unbind(1)
        mean_all = means.mean(dim=0)
        variance_all = (variances + (means - mean_all).square()).mean(dim=0)
        inverse_all = torch.rsqrt(variance_all + eps)
        shape = _per_channel(x)
        scale = (inverse_all / inverse).view(shape).to(x.dtype)
        shift = ((mean - mean_all) * inverse_all).view(shape).to(x.dtype)
        standard = torch.addcmul(shift, own, scale)
        context.save_for_backward(standard, inverse_all)
        context.mark_non_differentiable(mean_all, variance_all)
        return standard, mean_all, variance_all

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        standard, inverse = context.saved_tensors  # type: ignore[attr-defined]
        dims, shape = [0, *range(2, gradient.ndim)], _per_channel(gradient)
        sums = torch.stack(
            [values.sum(dims, dtype=torch.float32) for values in (gradient, gradient * standard)]
        )
        dist.all_reduce(sums)
        count = gradient.numel() // gradient.shape[1] * world_size()
        mean, slope = (
            (values * inverse / -count).view(shape).to(gradient.dtype) for values in sums
        )
        own = torch.addcmul(mean, gradient, inverse.view(shape).to(gradient.dtype))
        return own.addcmul_(standard, slope), None


def _of_all_ranks(values: Tensor) -> Tensor:
    """`(world, …)` of every rank."""
    rows = [torch.empty_like(values) for _ in range(world_size())]
    dist.all_gather(rows, values)
    return torch.stack(rows)


def _per_channel(x: Tensor) -> list[int]:
    """The shape in which one number a channel broadcasts against it."""
    return [1, -1] + [1] * (x.ndim - 2)


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Makes every BatchNorm of the module use the statistics of all ranks."""
    if world_size() == 1:
        return module
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call,no-any-return]
    return _over_all_ranks(module)


def _over_all_ranks(module: nn.Module) -> nn.Module:
    if isinstance(module, _BatchNorm):
        swapped = AllRanksBatchNorm(
            module.num_features,
            module.eps,
            module.momentum,
            module.affine,
            module.track_running_stats,
        )
        swapped.load_state_dict(module.state_dict())
        return swapped
    for name, child in module.named_children():
        setattr(module, name, _over_all_ranks(child))
    return module
