"""The weights that a network starts with."""

from typing import Literal

from torch import nn

Initialisation = Literal["per_part", "opengait", "opengait_whole"]


def initialise(weight: nn.Parameter, start: Initialisation) -> None:
    """Xavier-uniform weights `(p, in, out)` of all parts.

    `per_part` takes each part's matrix for itself. OpenGait's take the tensor as torch takes a
    convolution's, with `in · out` inputs and `p · out` outputs, so its numbers are far smaller.
    """
    for tensor in weight.data if start == "per_part" else [weight.data]:
        nn.init.xavier_uniform_(tensor)


def as_opengait(module: nn.Module) -> None:
    """What OpenGait does with every layer of a finished model: to be given to `Module.apply`.

    Convolutions and linear maps start with Xavier-uniform weights and without bias, batch norms
    with factors around 1 of a standard deviation of 0.02.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
