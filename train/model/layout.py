"""How weights and maps lie in memory."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

NARROW = 16
"""Input channels from which on the processor's kernel is safe."""


def lay_channels_last(network: Network, device: torch.device) -> Network:
    """Puts weights channels last, unless torch would then damage its own memory.

    On processors torch 2.13 (oneDNN) writes beyond its buffers when it differentiates a 1×1
    convolution with a stride and fewer than 16 input channels whose maps lie channels last:
    training ends by a signal, or goes on with wrong numbers. Networks that have one keep the plain
    layout there, which computes the same.

    Args:
        network: to lay out, in place.
        device: where it is trained.
    """
    if device.type == "cpu" and any(map(_damages, network.modules())):
        return network
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _damages(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < NARROW
    )
