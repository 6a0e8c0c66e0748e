"""What is special to a modality teaches what both share, after IDKL (Ren and Zhang, CVPR 2024).

Beside the shared embeddings of Eq. 3 each modality has one of its own, from its own head, whose map
is freed of style by an instance norm that keeps what a gate lets through. Special and shared
embeddings, and shared ones of both modalities, are drawn together in how the walks of a batch are
alike (`graph`) and in whom they are taken for (`classes`).

# Differs from IDKL: the special head has one convolution where IDKL doubles the last stage,
# and is each modality's own, so it needs no classifier of modalities to be special. Also left out
# are the one that hides the modality from shared features, the losses on the gate and on centres,
# the graph across both modalities, the second alignment of classes and the triplets of special
# features. Walks are alike by cosine over a temperature, IDKL's by distances. Weights are ours.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.config import ModelConfig
from train.losses import part_cross_entropy
from train.model.heads import BNNeck, SeparateFCs
from train.model.pooling import horizontal_pooling
from train.rivals.relations import both_ways, class_shares, relations
from train.rivals.rival import Rival, Seen

SPECIAL = 0.6
"""Weight of what is special to a modality beside the alignment of the shared embeddings."""


class SpecialHead(nn.Module):
    """From a modality's map `(n, c, h, w)` to an embedding `(n, p, d)` of its own."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        width = model.channels[-1]
        self.model = model
        self.head = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.gate = nn.Linear(width, width)
        self.fcs = SeparateFCs(
            model.embedding_parts, width * model.columns, model.embedding, model.initialisation
        )

    def forward(self, maps: Tensor) -> Tensor:
        strips = horizontal_pooling(
            self.purified(self.head(maps)), *self.model.strips, columns=self.model.columns
        )
        embedding: Tensor = self.fcs(strips)
        return embedding

    def purified(self, maps: Tensor) -> Tensor:
        """Instance norm, and of what it took away as much as the gate lets through."""
        plain = F.instance_norm(maps)
        style = maps - plain
        kept: Tensor = self.gate(style.mean(dim=(2, 3))).sigmoid()
        return plain + kept[:, :, None, None] * style


class ImplicitKnowledge(Rival):
    """The terms `special_ce`, `graph` and `classes`.

    Args:
        model: the network it is trained with.
        subjects: number of training subjects N.
    """

    def __init__(self, model: ModelConfig, subjects: int) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.ModuleList(SpecialHead(model) for _ in range(2))
        self.neck = BNNeck(model.embedding_parts, model.embedding, subjects, model.initialisation)

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Special and shared embeddings learn from each other: no gradient is stopped."""
        special = torch.stack([head(x) for head, x in zip(self.heads, seen.maps, strict=True)])
        cosines = self.neck(special.flatten(0, 1))
        scale, smoothing = self.model.scale, self.model.label_smoothing
        whole = seen.cosines, cosines.view_as(seen.cosines)
        shares = [class_shares(x, scale) for x in whole]
        graphs = [
            torch.stack([relations(x) for x in seen.of_all(pair)[0]])
            for pair in (seen.embeddings, special)
        ]
        return {
            "special_ce": part_cross_entropy(cosines, seen.labels.repeat(2), scale, smoothing),
            "graph": aligned(*graphs),
            "classes": aligned(*shares),
        }


def aligned(shared: Tensor, special: Tensor) -> Tensor:
    """How far distributions `(2, …, k)` of both modalities are apart, given by logarithms.

    Args:
        shared: of what both modalities share.
        special: of what each has for itself.

    Returns:
        Scalar: shared ones from each other, and `SPECIAL` times shared from special ones.
    """
    inside = both_ways(shared[0], special[0]) + both_ways(shared[1], special[1])
    return both_ways(*shared) + SPECIAL * inside
