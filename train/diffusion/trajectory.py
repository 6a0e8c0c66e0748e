"""The diffusion process on a pair of latents (Eq. 6, 7 and 13), and what is drawn for it.

Letters of shapes: `k` phases in use, 2 modalities (2D, 3D), `n` clips, `c h w` latent.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from train.config import DiffusionConfig


class Noise(NamedTuple):
    """Everything random in one iteration.

    Args:
        t: `(k, n)` int64 timesteps, one per phase and clip, the same for both modalities.
        eps: `(k, 1, n, c, h, w)` standard normal, shared by both modalities, or
            `(k, 2, n, c, h, w)`, one each (ablation).
    """

    t: Tensor
    eps: Tensor

    def of(self, clips: slice) -> "Noise":
        """The noise of some of the clips, such as those of one process."""
        return Noise(self.t[:, clips], self.eps[:, :, clips])

    def to(self, device: torch.device) -> "Noise":
        """The same noise on another device."""
        return Noise(self.t.to(device, non_blocking=True), self.eps.to(device, non_blocking=True))


def draw_noise(
    config: DiffusionConfig,
    n: int,
    latent_shape: tuple[int, int, int],
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Noise:
    """Draws one uniform timestep per phase and clip, and Gaussian noise for each.

    A pure function of the generator's state: draw for the whole batch, then take `Noise.of`.

    Args:
        config: phases in use, their timesteps, shared or independent noise.
        n: clips in the batch of all processes together.
        latent_shape: `(c, h, w)`.
        generator: the result lies on its device.
        dtype: of ε; that of the latents saves memory traffic.

    Returns:
        The noise, laid out channels last as the latents are. Without phases it is empty.
    """
    c, h, w = latent_shape
    device = generator.device
    t = torch.empty(len(config.phases), n, dtype=torch.int64, device=device)
    for row, phase in zip(t, config.phases, strict=True):
        interval = config.intervals[phase - 1]
        row.random_(interval.start, interval.stop, generator=generator)
    shape = (len(config.phases), 1 if config.shared_noise else 2, n, h, w, c)
    eps = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    return Noise(t, eps.permute(0, 1, 2, 5, 3, 4))


def identity_prior(z_0: Tensor) -> Tensor:
    """Eq. 6: `g = GAP(z_0)`, `(…, c, h, w)` → `(…, c)`."""
    return z_0.mean(dim=(-2, -1))


def route(prior: Tensor, cross: bool) -> Tensor:
    """Whose prior conditions whose denoising (Eq. 8): one's own (self) or the other's (cross).

    Args:
        prior: `(2, n, c)` of both modalities.
        cross: swap them.
    """
    return prior.flip(0) if cross else prior


def diffuse(z_0: Tensor, eps: Tensor, signal: Tensor, spread: Tensor) -> Tensor:
    """Eq. 7: `z_t = √ᾱ_t z_0 + √(1 − ᾱ_t) ε`.

    Args:
        z_0: `(…, c, h, w)` clean latents.
        eps: noise that broadcasts against it.
        signal: √ᾱ_t, broadcasts.
        spread: √(1 − ᾱ_t), broadcasts.
    """
    return torch.addcmul(spread * eps, signal, z_0)  # the noise is often shared, so half as large


def clean_estimate(
    z_0: Tensor, eps: Tensor, eps_hat: Tensor, signal: Tensor, spread: Tensor
) -> Tensor:
    """Eq. 13: `ẑ_0 = (z_t − √(1 − ᾱ_t) ε̂) / √ᾱ_t = z_0 + √(1 − ᾱ_t)/√ᾱ_t (ε − ε̂)`.

    The second form, Eq. 7 put into the first, has the same value and gradient, reads less memory
    and in bfloat16 does not lose the latent to the cancelling of large numbers.

    Args:
        z_0, eps, signal, spread: what `diffuse` made z_t of.
        eps_hat: predicted noise.
    """
    return torch.addcmul(z_0, -spread / signal, eps_hat - eps)
