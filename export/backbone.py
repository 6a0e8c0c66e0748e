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
    """Eq. 1 to 3 for one modality, then each part divided by its norm.

    Nothing of the training branch is in here: no denoiser, generative head, token or BNNeck.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames `(n, s, c, 64, 64)` uint8 and `(n,)` lengths in use → `(n, p, d)`."""
        return F.normalize(self.encoder(frames, lengths), dim=2)

    def embed(self, clip: Frames) -> NDArray[np.float32]:
        """The embedding `(p, d)` of one clip `(s, c, 64, 64)` on its own, without padding."""
        with torch.no_grad():
            frames = torch.from_numpy(clip[None].copy())
            embedding: NDArray[np.float32] = self(frames, torch.tensor([len(clip)]))[0].numpy()
        return embedding


def backbone(network: GaitNetwork, modality: Modality) -> Backbone:
    """The shipping path of one modality of a trained network, in evaluation mode."""
    return Backbone(network.encoder(modality)).eval()
