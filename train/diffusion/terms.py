"""The alignment terms of phases 2 and 3 (Eq. 14 to 17), as means over elements.

Differs from the paper's squared norms by a constant factor, so that the weights of Eq. 18 do not
depend on the size of the latent. The first axis of every argument is the modality: 2D, 3D.

Squares of maps in half precision are added up in float32.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def noise_consistency(eps_hat: Tensor) -> Tensor:
    """Eq. 14: `L_eps = ‖ε̂^2d − ε̂^3d‖²`, of `(2, n, c, h, w)` predicted noise."""
    return _between(eps_hat)


def bridge_consistency(bridge: Tensor) -> Tensor:
    """Eq. 15: `L_mid = ‖b^2d − b^3d‖²`, of `(2, n, c', h', w')` bridging states."""
    return _between(bridge)


def self_reconstruction(z_hat: Tensor, z_0: Tensor, weight: Tensor) -> Tensor:
    """Eq. 16: `L_rec = Σ_m ‖ẑ_0^m − z_0^m‖²`.

    Args:
        z_hat: `(2, n, c, h, w)` estimated clean latents.
        z_0: `(2, n, c, h, w)` targets.
        weight: `(n,)` of each clip; see `train.diffusion.regularizer.reconstruction_weight`.
    """
    return (mean_square(z_hat - z_0) * weight).mean(dim=1).sum()


def cross_reconstruction(z_hat: Tensor, z_0: Tensor, weight: Tensor) -> Tensor:
    """Eq. 17: `L_rec^x = ‖ẑ_0^2d − z_0^3d‖² + ‖ẑ_0^3d − z_0^2d‖²`. Arguments as in Eq. 16."""
    return self_reconstruction(z_hat, z_0.flip(0), weight)


def _between(pair: Tensor) -> Tensor:
    return _Between.apply(pair)  # type: ignore[no-any-return,no-untyped-call]


def mean_square(maps: Tensor) -> Tensor:
    """Of each map: `(…, c, h, w)` of any dtype → `(…)` float32, of float64 maps float64.

    One pass over memory forward and one backward, with nothing of the size of the maps in float32.
    """
    return _MeanSquare.apply(maps)  # type: ignore[no-any-return,no-untyped-call]


def summed_in(maps: Tensor) -> torch.dtype:
    """The dtype that squares are added up in: at least float32."""
    return torch.promote_types(maps.dtype, torch.float32)


class _MeanSquare(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, maps: Tensor) -> Tensor:
        context.save_for_backward(maps)
        norms = torch.linalg.vector_norm(maps, dim=(-3, -2, -1), dtype=summed_in(maps))
        means: Tensor = norms.square() / maps.shape[-3:].numel()
        return means

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        (maps,) = context.saved_tensors  # type: ignore[attr-defined]
        slope = gradient * (2 / maps.shape[-3:].numel())
        result: Tensor = maps * slope[..., None, None, None].to(maps.dtype)
        return result


class _Between(torch.autograd.Function):
    """The mean square of the difference of a pair; its gradient is written where it belongs."""

    @staticmethod
    def forward(context: FunctionCtx, pair: Tensor) -> Tensor:
        difference = pair[0] - pair[1]
        context.save_for_backward(pair, difference)
        norm = torch.linalg.vector_norm(difference, dtype=summed_in(difference))
        mean: Tensor = norm.square() / difference.numel()
        return mean

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        pair, difference = context.saved_tensors  # type: ignore[attr-defined]
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted: it is that of the pair
            difference = pair[0] - pair[1]
        slope = gradient * (2 / difference.numel())
        slopes = torch.stack([slope, -slope]).view(2, *[1] * difference.ndim)
        result: Tensor = difference * slopes.to(difference.dtype)
        return result
