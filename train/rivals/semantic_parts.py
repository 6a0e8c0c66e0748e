"""Parts that prototypes find, drawn to their person's centre, after SAAI (Fang et al., ICCV 2023).

Each cell of a map belongs to a part as far as it is like the part's prototype (a sigmoid, with a
learned position). Parts are classified, those of a person drawn to their centre and centres pushed
apart, and the cells of two parts kept from being the same.

# Differs from SAAI: its parts are compared in retrieval, and affinities among all probes and all of
# the gallery re-rank the result; here the parts belong to the training alone, and nothing is
# re-ranked, since a service knows no other probes. Its classifiers of one modality each, which
# agree with slow copies of each other, and the global feature beside the parts are left out.
# Centres are those of unit vectors, part by part. Weights are ours.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.config import ModelConfig
from train.losses import part_cross_entropy, part_distances
from train.model.heads import BNNeck
from train.rivals.rival import Rival, Seen

NEAR, APART = 0.01, 0.7
"""How far from its centre a walk may be, and how far apart centres are to be."""
SPREAD = 0.5
"""Weight of the difference between parts."""


class SemanticParts(Rival):
    """The terms `parts_ce`, `parts_centre` and `parts_spread`.

    Args:
        model: the network it is trained with.
        subjects: number of training subjects N.
        prototypes: how many parts there are, k.
    """

    def __init__(self, model: ModelConfig, subjects: int, prototypes: int) -> None:
        super().__init__()
        width, height, columns = model.latent_shape
        self.model = model
        self.prototypes = nn.Parameter(torch.randn(prototypes, width) / width**0.5)
        self.position = nn.Parameter(torch.randn(height * columns, width) / width**0.5)
        self.neck = BNNeck(prototypes, width, subjects, model.initialisation)

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Both modalities pass the neck as one batch."""
        masks, parts = self.parts(seen.maps.flatten(0, 1))
        scale, smoothing = self.model.scale, self.model.label_smoothing
        units = F.normalize(parts, dim=2)
        pair, labels = seen.of_all(units.view(2, -1, *units.shape[1:]))
        return {
            "parts_ce": part_cross_entropy(
                self.neck(parts), seen.labels.repeat(2), scale, smoothing
            ),
            "parts_centre": centre_separation(pair.flatten(0, 1), labels.repeat(2)),
            "parts_spread": SPREAD * sameness(masks),
        }

    def parts(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """`(n, c, h, w)` → how far each cell belongs `(n, k, h·w)`, and the parts `(n, k, c)`."""
        cells = maps.flatten(2).transpose(1, 2)
        masks = (self.prototypes @ (cells + self.position).transpose(1, 2)).sigmoid()
        return masks, masks @ cells / cells.shape[1]


def centre_separation(units: Tensor, labels: Tensor) -> Tensor:
    """Distances to one's centre beyond `NEAR`, and what two centres lack to be `APART`; means.

    Args:
        units: `(m, k, c)` unit vectors.
        labels: `(m,)` subjects.

    Returns:
        Scalar.
    """
    whole = units.flatten(1) / units.shape[1] ** 0.5
    same = labels[:, None] == labels
    centres = same.float() / same.sum(dim=1, keepdim=True) @ whole
    pull = F.relu(torch.linalg.vector_norm(whole - centres, dim=1) - NEAR).mean()
    lacking = F.relu(APART - part_distances(centres[:, None], centres[:, None])[0]) * ~same
    return pull + lacking.sum() / (~same).sum().clamp(min=1)


def sameness(masks: Tensor) -> Tensor:
    """1 less the root mean square difference of the masks `(m, k, cells)` of two parts; mean."""
    one, two = torch.triu_indices(masks.shape[1], masks.shape[1], 1, device=masks.device)
    apart: Tensor = torch.linalg.vector_norm(masks[:, one] - masks[:, two], dim=2)
    return 1 - apart.mean() / float(masks.shape[2] ** 0.5)
