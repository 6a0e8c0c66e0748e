"""The path that ships: uint8 frames of one modality to a unit-norm embedding per part."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gait.clip import Frames
from gait.modality import Modality
from train.config import FramePooling
from train.model.network import Encoder, GaitNetwork
from train.model.pooling import over_frames


class Backbone(nn.Module):
    """Eq. 1 to 3 for one modality, less its centre, then each part divided by its norm.

    The frames of all clips lie one after the other and the network sees each of them once: clips of
    unequal length need no frames as padding. Which frames belong to which clip is said by an index,
    −1 beyond a clip's end.

    Nothing of the training branch is in here: no denoiser, generative head, token or BNNeck.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: Tensor, index: Tensor) -> Tensor:
        """Frames `(f, c, 64, 64)` uint8 and `(n, s)` rows of them for each clip → `(n, p, d)`."""
        branch, projection = self.encoder.branch, self.encoder.projection
        features = _over_clips(branch.maps(frames), index, branch.frame_pooling)
        if projection is None:
            return F.normalize(self.encoder.embedding(features), dim=2)
        pictures = None
        if self.encoder.sees_pictures:
            pictures = _over_clips(branch.small_pictures(frames), index, FramePooling.MEAN)
        described = self.encoder.description(features, pictures)
        return F.normalize(self.encoder.projected(described), dim=2)

    def embed(self, clip: Frames) -> NDArray[np.float32]:
        """The embedding `(p, d)` of one clip `(s, c, 64, 64)` as training computes it."""
        with torch.no_grad():
            frames = torch.from_numpy(clip[None].copy())
            embedding: NDArray[np.float32] = F.normalize(self.encoder(frames)[0], dim=1).numpy()
        return embedding


def _over_clips(frames: Tensor, index: Tensor, kind: FramePooling) -> Tensor:
    """What is known of each frame, `(f, c, h, w)`, taken together for each clip of the index."""
    real = None
    if kind == FramePooling.MAX:  # which does not mind a frame that comes again
        index = torch.where(index < 0, index[:, :1], index)
    else:
        index, real = index.clamp(min=0), index >= 0
    own = frames.index_select(0, index.flatten())
    own = own.unflatten(0, index.shape)  # type: ignore[no-untyped-call]
    return over_frames(own, real, kind)


def backbone(network: GaitNetwork, modality: Modality) -> Backbone:
    """The shipping path of one modality of a trained network, in evaluation mode."""
    return Backbone(network.encoder(modality)).eval()
