"""Learned prototypes that look at both modalities, after CrossGait (Wang et al., IJCB 2024).

An adapter of each modality brings its map into one space. Prototypes that both modalities share are
the queries of an attention over the cells of a map, and what they gather is embedded and classified
as the parts of Eq. 3 and 4 are.

# Differs from CrossGait: there the features that the prototypes gather are compared in retrieval;
# here they belong to the training alone, so that the network that ships is the same for every
# method. Layers and sizes of adapter and attention are ours, and the losses are those of Eq. 5.
"""

from typing import cast

import torch
from torch import Tensor, nn

from train.config import ModelConfig
from train.losses import identity_losses
from train.model.heads import BNNeck, SeparateFCs
from train.rivals.rival import Rival, Seen


class Adapter(nn.Module):
    """A residual bottleneck of 1×1 convolutions, a quarter as wide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // 4)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, channels, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """`(n, c, h, w)` → the same shape."""
        return maps + cast(Tensor, self.layers(maps))


class SharedAttention(Rival):
    """The terms `shared_ce` and `shared_triplet`: Eq. 5 of what the prototypes gather.

    Args:
        model: the network it is trained with.
        subjects: number of training subjects N.
        prototypes: how many there are, k.
    """

    def __init__(self, model: ModelConfig, subjects: int, prototypes: int) -> None:
        super().__init__()
        width, start = model.channels[-1], model.initialisation
        self.model = model
        self.adapters = nn.ModuleList(Adapter(width) for _ in range(2))
        self.prototypes = nn.Parameter(torch.randn(prototypes, width))
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.fcs = SeparateFCs(prototypes, width, model.embedding, start)
        self.neck = BNNeck(prototypes, model.embedding, subjects, start)

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Both modalities pass prototypes and neck as one batch."""
        maps = torch.cat([adapt(x) for adapt, x in zip(self.adapters, seen.maps, strict=True)])
        embeddings = self.fcs(self.gathered(maps))
        pair = embeddings.reshape(2, -1, *embeddings.shape[1:])
        terms = identity_losses(pair, self.neck(embeddings), seen.labels, self.model, seen.gather)
        return {f"shared_{name}": term for name, term in terms.items()}

    def gathered(self, maps: Tensor) -> Tensor:
        """`(n, c, h, w)` → `(n, k, c)`: softmax over the cells of each prototype's dot products."""
        cells = maps.flatten(2).transpose(1, 2)
        scores = self.prototypes @ self.key(cells).transpose(1, 2) / cells.shape[2] ** 0.5
        gathered: Tensor = scores.softmax(dim=2) @ self.value(cells)
        return gathered
