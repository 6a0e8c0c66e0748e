"""From an embedding to the directions in which people differ more than one person's walks do."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gait.errors import ConfigError
from gait.modality import Modality

SHRINKAGE = 0.5
"""Share of the scatter within people that is taken to be alike in all directions."""

Matrix = NDArray[np.float64]


class Projection(nn.Module):
    """A linear map of the parts, each of unit norm, less where a modality's embeddings lie.

    All zero until it is fitted. Not in the paper.

    Args:
        parts: number of parts p.
        embedding: size d of a part's embedding.
        dimensions: size k of what comes out.
    """

    weight: Tensor
    offsets: Tensor

    def __init__(self, parts: int, embedding: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(parts * embedding, dimensions))
        self.register_buffer("offsets", torch.zeros(len(Modality), dimensions))

    def forward(self, embeddings: Tensor, modality: Modality) -> Tensor:
        """`(n, p, d)` → `(n, 1, k)`, not normalised."""
        flat = F.normalize(embeddings.float(), dim=2).reshape(-1, len(self.weight))
        place = list(Modality).index(modality)
        return (flat @ self.weight - self.offsets[place]).unsqueeze(1)

    def fit(self, embeddings: Mapping[Modality, NDArray[np.float32]], people: list[str]) -> None:
        """Takes the discriminant of some walks.

        Args:
            embeddings: `(n, p, d)` of each modality.
            people: whose the n walks are.

        Raises:
            ConfigError: they are too few people for so many dimensions.
        """
        units = {
            modality: F.normalize(torch.from_numpy(some), dim=2).flatten(1).double().numpy()
            for modality, some in embeddings.items()
        }
        weight = discriminant(units, people, self.weight.shape[1])
        self.weight.copy_(torch.from_numpy(weight))
        for place, modality in enumerate(Modality):
            if modality in units:
                offset = units[modality].mean(axis=0) @ weight
                self.offsets[place].copy_(torch.from_numpy(offset))


def discriminant(walks: Mapping[Modality, Matrix], people: list[str], dimensions: int) -> Matrix:
    """The linear discriminant of walks whose modalities are centred each by itself.

    It maximises the scatter between people over the scatter within them, to which the distance
    between one person's modalities belongs (Fisher, "The use of multiple measurements in taxonomic
    problems", 1936). The scatter within is shrunk towards a multiple of the identity (Friedman,
    "Regularized discriminant analysis", 1989), since it has more directions than people show.

    Args:
        walks: `(n, d)` of each modality.
        people: whose the n walks are.
        dimensions: k, fewer than there are people, and at most d.

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
            f"got a projection to {dimensions} dimensions for {count} people and embeddings of "
            f"{centred.shape[1]} numbers, need fewer than people and at most as many as numbers"
        )
    whose = np.tile(whose, len(walks))
    means = np.zeros((count, centred.shape[1]))
    np.add.at(means, whose, centred)
    means /= np.bincount(whose)[:, np.newaxis]
    within = centred - means[whose]
    if not np.abs(within).max() > 1e-9 * np.abs(centred).max():
        raise ConfigError("got one walk of each person to fit a projection to, need two or more")
    scatter = _shrunk(within.T @ within / len(within))
    spread, axes = np.linalg.eigh(scatter)
    white = axes / np.sqrt(spread)
    between = means @ white
    _, directions = np.linalg.eigh(between.T @ between)
    found: Matrix = white @ directions[:, ::-1][:, :dimensions]
    return found


def _shrunk(scatter: Matrix) -> Matrix:
    even = np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    shrunk: Matrix = (1 - SHRINKAGE) * scatter + SHRINKAGE * even
    return shrunk
