"""Layers that both modalities share, after LidarGait (CVPR 2023) and MMGait (CVPR 2026).

`shared_backbone` is one network for both modalities, which is how we read the row LidarGait of the
paper's tables; it does not say. A silhouette then stands in all channels of a range view.
`late_layers` is MMGait's public baseline across modalities: stem and first stage are each
modality's own, the later stages are shared.

Any number of layers can be shared, and beside another method too (`model.own_layers`).

Both modalities pass the shared layers as one batch. So batch norms learn statistics of both, which
are those that evaluation uses for either.

# Differs from LidarGait, which is published for one sensor: loss and heads are those of Eq. 2 to 5.
# Differs from MMGait, which has part embeddings and classifiers of each modality and is trained by
# SGD for 60,000 iterations: heads are shared, and the training is that of every other method.
"""

import torch
from torch import Tensor, nn

from train.config import RivalMethod
from train.model.resnet9 import ResNet9

OWN_LAYERS = {RivalMethod.SHARED_BACKBONE: 0, RivalMethod.LATE_LAYERS: 2}
"""How many of the first layers, the stem and each stage, a modality has for itself."""


def share_layers(first: ResNet9, second: ResNet9, own: int) -> None:
    """Puts all layers of the first network but its `own` ones in place of those of the second."""
    if own == 0:
        second.stem = first.stem
    for stage in range(max(0, own - 1), len(first.stages)):
        second.stages[stage] = first.stages[stage]


def joint_maps(
    first: ResNet9, second: ResNet9, inputs: tuple[Tensor, Tensor], own: int
) -> tuple[Tensor, Tensor]:
    """The maps of both modalities, with the shared layers seeing both at once.

    Args:
        first, second: networks that share all but their `own` first layers.
        inputs: as many frames `(N, channels, 64, 64)` of each modality.
        own: how many layers are not shared.

    Returns:
        `(N, c, h, w)` of each.
    """
    layers, other = ([network.stem, *network.stages] for network in (first, second))
    maps = torch.cat([_through(layers[:own], inputs[0]), _through(other[:own], inputs[1])])
    one, two = _through(layers[own:], maps).chunk(2)
    return one, two


def _through(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x
