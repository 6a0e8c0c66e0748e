"""Adam, and its learning rate as a function of the iteration: nothing to save for resuming."""

import math

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from train.config import OptimConfig


def make_optimiser(
    network: nn.Module,
    config: OptimConfig,
    fused: bool = True,
    graph: bool = False,
    branch: nn.Module | None = None,
    branch_decay: float | None = None,
) -> Optimizer:
    """Adam over all parameters, by default in one kernel, which on CUDA never waits for the device.

    Weight decay is added to the gradient (L2), as Adam without decoupling does. For a graph the
    rate lies on the device, where a recorded update reads it.

    Args:
        network: what is trained.
        config: rate and weight decay.
        fused: whether one kernel updates everything.
        graph: whether the update is recorded.
        branch: a part of the network with a weight decay of its own.
        branch_decay: that weight decay; None: that of all others.
    """
    rate: float | Tensor = config.lr
    if graph:
        rate = torch.tensor(config.lr, device=next(network.parameters()).device)
    apart = [*branch.parameters()] if branch is not None and branch_decay is not None else []
    others = [weight for weight in network.parameters() if weight not in {*apart}]
    groups = [{"params": others, "weight_decay": config.weight_decay}]
    if apart:
        groups.append({"params": apart, "weight_decay": branch_decay})
    return Adam(groups, lr=rate, fused=fused, capturable=graph)


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Sets the rate of every parameter group, in place where it lies on the device."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate(config: OptimConfig, iteration: int) -> float:
    """The learning rate of one step.

    `steps`: lr · gammaᵏ, k the milestones passed. `one_cycle`: cosine from lr/25 up to lr over the
    warm-up, then cosine down to lr/10⁴ (Smith & Topin 2018, with torch's OneCycleLR constants).

    Args:
        config: schedule and its numbers.
        iteration: 1 for the first step.

    Returns:
        The rate, > 0.
    """
    if config.schedule == "steps":
        passed = sum(iteration > milestone for milestone in config.milestones)
        return config.lr * config.gamma**passed
    rise = config.warmup * config.iterations
    if iteration <= rise:
        return _cosine(config.lr / 25, config.lr, iteration / rise)
    return _cosine(config.lr, config.lr / 1e4, (iteration - rise) / (config.iterations - rise))


def _cosine(start: float, end: float, share: float) -> float:
    """From `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
