"""The diffusion branch on several pairs of feature maps, each of its own shape."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gait.errors import ConfigError
from train.config import DiffusionConfig
from train.diffusion.regularizer import IdentityLoss, TrajectoryRegularizer
from train.diffusion.trajectory import Noise, draw_noise
from train.losses import Losses

Pair = tuple[Tensor, Tensor]
"""Maps `(n, c, h, w)` of both modalities, of one shape."""


class SeveralRegularizers(nn.Module):
    """A `TrajectoryRegularizer` for each of several pairs of maps; their losses are averaged.

    Args:
        shapes: `(c, h, w)` of each pair.
        config: of all of them.

    Raises:
        ConfigError: there is no pair, or one of which `TrajectoryRegularizer` can make nothing.
    """

    def __init__(self, shapes: Sequence[tuple[int, int, int]], config: DiffusionConfig) -> None:
        super().__init__()
        if not shapes:
            raise ConfigError("got no pair of maps, need at least one")
        for shape in shapes:
            if len(shape) != 3 or min(shape) < 1:
                raise ConfigError(f"got the shape {shape} of maps, need (c, h, w), each at least 1")
        self.config = config
        self.shapes = tuple((config.latent_channels or c, h, w) for c, h, w in shapes)
        self.each = nn.ModuleList(TrajectoryRegularizer(c, config) for c, _, _ in shapes)

    def draw(self, n: int, generator: torch.Generator) -> list[Noise]:
        """Noise for n clips of each pair, one after the other from the generator."""
        return [draw_noise(self.config, n, shape, generator) for shape in self.shapes]

    def forward(
        self, pairs: Sequence[Pair], noises: Sequence[Noise], losses: Sequence[IdentityLoss | None]
    ) -> Losses:
        """The diffusion part of Eq. 18, averaged over the pairs.

        Args:
            pairs: as many as shapes were given.
            noises: of each, from `draw`.
            losses: the identity loss of the two estimates of each pair; None as there.

        Returns:
            Unweighted terms (`maps0_p1_identity`, …), and the mean of the weighted sums.

        Raises:
            ConfigError: not one of each for every pair, or shapes that do not fit.
        """
        counts = (len(pairs), len(noises), len(losses))
        if set(counts) != {len(self.each)}:
            raise ConfigError(
                f"got {counts[0]} pairs, {counts[1]} noises and {counts[2]} identity losses, "
                f"need {len(self.each)} of each"
            )
        rows = zip(self.each, pairs, noises, losses, strict=True)
        found = [one(*pair, noise, loss) for one, pair, noise, loss in rows]
        terms = {
            f"maps{index}_{name}": term
            for index, each in enumerate(found)
            for name, term in each.terms.items()
        }
        return Losses(terms, torch.stack([each.total for each in found]).mean())
