"""The path that ships: uint8 frames of one modality to a unit-norm embedding per part."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gait.clip import Frames
from gait.modality import Modality
from train.model.network import Encoder, GaitNetwork


class Backbone(nn.Module):
    """Eq. 1 to 3 for one modality, less its centre, then each part divided by its norm.

    The frames of all clips lie one after the other and the network sees each of them once: clips of
    unequal length need no padding. Which frames belong to which clip is said by an index; the
    maximum of Eq. 1 does not mind that a shorter clip names a frame again.

    Nothing of the training branch is in here: no denoiser, generative head, token or BNNeck.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: Tensor, index: Tensor) -> Tensor:
        """Frames `(f, c, 64, 64)` uint8 and `(n, s)` rows of them for each clip → `(n, p, d)`."""
        maps = self.encoder.branch.backbone(frames.float() / 255)
        own = maps.index_select(0, index.flatten()).unflatten(0, index.shape)
        return F.normalize(self.encoder.embedding(own.amax(dim=1)), dim=2)

    def embed(self, clip: Frames) -> NDArray[np.float32]:
        """The embedding `(p, d)` of one clip `(s, c, 64, 64)` as training computes it."""
        with torch.no_grad():
            frames = torch.from_numpy(clip[None].copy())
            embedding: NDArray[np.float32] = F.normalize(self.encoder(frames)[0], dim=1).numpy()
        return embedding


def backbone(network: GaitNetwork, modality: Modality) -> Backbone:
    """The shipping path of one modality of a trained network, in evaluation mode."""
    return Backbone(network.encoder(modality)).eval()
