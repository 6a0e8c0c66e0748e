"""From what a clip shows to the directions in which people differ more than one's walks do."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gait.errors import ConfigError
from gait.modality import Modality
from train.config import ModelConfig

SHRINKAGE = {"embedding": 0.5, "maps": 0.1}
"""Share of the scatter within people that is taken to be alike in all directions, by what is
projected."""

CELLS = 4
"""Cells of a feature map along each axis, less than twice as many: a finer map is averaged."""

PICTURE = 32
"""Pixels of a mean picture along each axis."""

PICTURE_WEIGHT = 0.7
"""Length of a mean picture beside that of a feature map, which is 1."""

Matrix = NDArray[np.float64]


class Projection(nn.Module):
    """A linear map of a clip's description, less where a modality's descriptions lie.

    All zero until it is fitted. Not in the paper.

    Args:
        model: of the network; its `projection` says how many dimensions k come out.
    """

    weight: Tensor
    offsets: Tensor

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        channels, height, width = model.latent_shape
        numbers = model.embedding_parts * model.embedding
        self.of_maps = model.projection_of == "maps"
        if self.of_maps:
            cells = math.prod(size // _pooled(size) for size in (height, width))
            numbers = channels * cells + PICTURE**2
        self.shrinkage, dimensions = SHRINKAGE[model.projection_of], model.projection or 0
        self.register_buffer("weight", torch.zeros(numbers, dimensions))
        self.register_buffer("offsets", torch.zeros(len(Modality), dimensions))

    def forward(self, descriptions: Tensor, modality: Modality) -> Tensor:
        """`(n, numbers)` → `(n, 1, k)`, not normalised."""
        place = list(Modality).index(modality)
        # in float32, since what all descriptions have in common is taken away again
        with torch.autocast(descriptions.device.type, enabled=False):
            return (descriptions @ self.weight - self.offsets[place]).unsqueeze(1)

    def fit(
        self,
        descriptions: Mapping[Modality, NDArray[np.float32]],
        people: list[str],
        untouched: NDArray[np.bool_],
    ) -> None:
        """Takes the discriminant of some walks, less the mean of those that nobody has changed.

        Args:
            descriptions: `(n, numbers)` of each modality.
            people: whose the n walks are.
            untouched: `(n,)`; the others are copies as another sensor would have seen them.

        Raises:
            ConfigError: they are too few people for so many dimensions.
        """
        walks = {modality: some.astype(np.float64) for modality, some in descriptions.items()}
        weight = discriminant(walks, people, self.weight.shape[1], self.shrinkage)
        self.weight.copy_(torch.from_numpy(weight))
        for place, modality in enumerate(Modality):
            if modality in walks:
                offset = walks[modality][untouched].mean(axis=0) @ weight
                self.offsets[place].copy_(torch.from_numpy(offset))


def _pooled(size: int) -> int:
    """How many cells of a map are taken together along an axis; those left over do not count."""
    return max(1, size // CELLS)


def maps_and_pictures(features: Tensor, pictures: Tensor) -> Tensor:
    """What clips show: the square roots of their feature maps, so that a few strong cells do not
    outweigh all others, and their mean pictures.

    Args:
        features: `(n, c, h, w)`, Eq. 1.
        pictures: `(n, 1, 32, 32)`, means over a clip's frames of `small_pictures`.

    Returns:
        `(n, numbers)` float32.
    """
    height, width = features.shape[2:]
    pooled = F.avg_pool2d(features.float().clamp(min=0), (_pooled(height), _pooled(width)))
    maps = F.normalize(pooled.sqrt().flatten(1), dim=1)
    return torch.cat([maps, PICTURE_WEIGHT * F.normalize(pictures.flatten(1), dim=1)], dim=1)


def discriminant(
    walks: Mapping[Modality, Matrix], people: list[str], dimensions: int, shrinkage: float
) -> Matrix:
    """The linear discriminant of walks whose modalities are centred each by itself.

    It maximises the scatter between people over the scatter within them, to which the distance
    between one person's modalities belongs (Fisher, "The use of multiple measurements in taxonomic
    problems", 1936). The scatter within is shrunk towards a multiple of the identity (Friedman,
    "Regularized discriminant analysis", 1989), since it has more directions than people show.

    Args:
        walks: `(n, d)` of each modality.
        people: whose the n walks are.
        dimensions: k, fewer than there are people, and at most d.
        shrinkage: how far the scatter within is shrunk, 0..1.

    Returns:
        `(d, k)`, the most telling direction first; within people, what comes out is white.

    Raises:
        ConfigError: they are too few people for so many dimensions, or nobody has two walks.
    """
    _, whose = np.unique(people, return_inverse=True)
    count = int(whose.max()) + 1
    centred = np.concatenate([some - some.mean(axis=0) for some in walks.values()])
    if not dimensions < count or dimensions > centred.shape[1]:
        raise ConfigError(
            f"got a projection to {dimensions} dimensions for {count} people and descriptions of "
            f"{centred.shape[1]} numbers, need fewer than people and at most as many as numbers"
        )
    whose = np.tile(whose, len(walks))
    means = np.zeros((count, centred.shape[1]))
    np.add.at(means, whose, centred)
    means /= np.bincount(whose)[:, np.newaxis]
    within = centred - means[whose]
    if not np.abs(within).max() > 1e-9 * np.abs(centred).max():
        raise ConfigError("got one walk of each person to fit a projection to, need two or more")
    root = np.linalg.cholesky(_shrunk(within.T @ within / len(within), shrinkage))
    directions, _, _ = np.linalg.svd(np.linalg.solve(root, means.T), full_matrices=False)
    found: Matrix = np.linalg.solve(root.T, directions[:, :dimensions])
    return found


def _shrunk(scatter: Matrix, shrinkage: float) -> Matrix:
    even = np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    shrunk: Matrix = (1 - shrinkage) * scatter + shrinkage * even
    return shrunk
