"""From parts to embeddings and class logits, shared by both modalities (Eq. 3 and 4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.model.initialisation import Initialisation, initialise


class SeparateFCs(nn.Module):
    """Eq. 3: one linear map per part, without bias.

    Args:
        parts: number of parts p.
        channels: size c of a part's feature.
        embedding: size d of a part's embedding.
        start: how the weights start, as `ModelConfig.initialisation`.
    """

    def __init__(
        self, parts: int, channels: int, embedding: int, start: Initialisation = "per_part"
    ) -> None:
        super().__init__()
        self.parts = parts
        self.weight = nn.Parameter(torch.empty(parts, channels, embedding))
        initialise(self.weight, start)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, p, c)` → `(n, p, d)`, the retrieval embedding."""
        return torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1)


class BNNeck(nn.Module):
    """Eq. 4: batch norm over all d·p numbers, then each part's cosine to each subject's column.

    Training only: retrieval uses what goes in. In training it also sees the embeddings of the
    estimated clean latents (phase 1), so its running statistics mix both. That is harmless: they
    are used in evaluation mode alone, and nothing evaluates the logits.

    Args:
        parts: number of parts p.
        embedding: size d of a part's embedding.
        subjects: number of training subjects N.
        start: how the weights start, as `ModelConfig.initialisation`.
    """

    def __init__(
        self, parts: int, embedding: int, subjects: int, start: Initialisation = "per_part"
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(parts * embedding)
        self.weight = nn.Parameter(torch.empty(parts, embedding, subjects))
        initialise(self.weight, start)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, p, d)` → `(n, p, N)` cosines in [-1, 1]."""
        x = F.normalize(self.norm(x.flatten(1)).view_as(x), dim=2)
        return torch.bmm(x.transpose(0, 1), F.normalize(self.weight, dim=1)).transpose(0, 1)
