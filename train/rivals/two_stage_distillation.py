"""A teacher of both modalities first learns, then teaches, after TSKD (Shi et al., 2026).

In the first stage a head that sees the maps of both modalities of a walk learns to tell people
apart, and the network learns with it. In the second the network no longer learns from the head's
own loss, but is drawn, each modality by itself, to what the head says: whom it takes a walk for,
and how the walks of a batch are alike.

# Differs from TSKD (Pattern Recognition 169, 111850), of whose text we had no copy: the stages are
# what its title and the descriptions by others say. Who the teacher is, what it teaches and where
# the stages part are ours.
"""

import torch
from torch import Tensor, nn

from train.config import ModelConfig
from train.losses import one_modality_triplet, part_cross_entropy
from train.model.heads import BNNeck, SeparateFCs
from train.model.pooling import horizontal_pooling
from train.rivals.relations import class_shares, divergence, relations
from train.rivals.rival import Rival, Seen

FIRST_STAGE = 0.5
"""Share of the run in which the teacher learns."""


class TwoStageDistillation(Rival):
    """The terms `teacher_ce`, `teacher_triplet`, and in the second stage `taught_*`, else 0.

    Args:
        model: the network it is trained with.
        subjects: number of training subjects N.
    """

    first: Tensor
    """1 in the first stage, 0 in the second."""

    def __init__(self, model: ModelConfig, subjects: int) -> None:
        super().__init__()
        width, parts, start = model.channels[-1], model.embedding_parts, model.initialisation
        self.model = model
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.fcs = SeparateFCs(parts, width * model.columns, model.embedding, start)
        self.neck = BNNeck(parts, model.embedding, subjects, start)
        self.register_buffer("first", torch.ones(()), persistent=False)

    def at(self, progress: float) -> None:
        """The stages part at `FIRST_STAGE` of the run."""
        self.first.fill_(float(progress <= FIRST_STAGE))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """The teacher goes on learning in the second stage, but the network not from it."""
        model, fixed = self.model, seen.maps.detach()
        teacher = self.embeddings(fixed + self.first * (seen.maps - fixed))
        cosines = self.neck(teacher)
        (pair, labels), (both, _) = seen.of_all(seen.embeddings), seen.of_all(teacher[None])
        said = class_shares(cosines, model.scale).detach()
        heard = class_shares(seen.cosines, model.scale)
        alike = relations(both[0]).detach()
        second = 1 - self.first
        return {
            "teacher_ce": part_cross_entropy(
                cosines, seen.labels, model.scale, model.label_smoothing
            ),
            "teacher_triplet": one_modality_triplet(both[0], labels, model.margin),
            "taught_classes": second * taught(heard, said),
            "taught_relations": second * taught([relations(x) for x in pair], alike),
        }

    def embeddings(self, maps: Tensor) -> Tensor:
        """Maps `(2, n, c, h, w)` of both modalities → `(n, p, d)` of the walks."""
        fused = self.fuse(torch.cat([*maps], dim=1))
        strips = horizontal_pooling(fused, *self.model.strips, columns=self.model.columns)
        embedding: Tensor = self.fcs(strips)
        return embedding


def taught(pair: Tensor | list[Tensor], teacher: Tensor) -> Tensor:
    """Divergence of both modalities from what the teacher says; all are logarithms of shares."""
    return (divergence(pair[0], teacher) + divergence(pair[1], teacher)) / 2
