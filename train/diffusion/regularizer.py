"""The diffusion branch as a plug-in for any two-branch network (Eq. 6 to 18).

Training only. How to put it on a network of your own: docs/regularizer.md.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gait.errors import ConfigError
from train.config import DenoiserKind, DiffusionConfig
from train.diffusion.denoiser import Denoiser
from train.diffusion.terms import (
    bridge_consistency,
    cross_reconstruction,
    noise_consistency,
    self_reconstruction,
)
from train.diffusion.trajectory import Noise, clean_estimate, diffuse, identity_prior, route
from train.losses import Losses
from train.noise_schedule import signal_retention

log = logging.getLogger("train")
IdentityLoss = Callable[[Tensor, Tensor], Tensor]
"""L_id of the two estimated clean latents `(n, c, h, w)`: the host network's own identity loss,
through its own heads, as a scalar."""


class Trajectory(NamedTuple):
    """What the denoiser makes of both modalities at one timestep per clip.

    Args:
        eps_hat, bridge: `(2, n, …)`, first 2D, then 3D.
        eps: true noise, of the shape of `eps_hat` or shared, `(1, n, …)`.
        signal, spread: √ᾱ_t and √(1 − ᾱ_t) of each clip, broadcast against `eps_hat`.
    """

    eps_hat: Tensor
    bridge: Tensor
    eps: Tensor
    signal: Tensor
    spread: Tensor

    def estimate(self, z_0: Tensor) -> Tensor:
        """Eq. 13: ẑ_0 of the clean latents that were noised."""
        return clean_estimate(z_0, self.eps, self.eps_hat, self.signal, self.spread)


def reconstruction_weight(
    retention: NDArray[np.float64], max_inverse_signal: float | None
) -> NDArray[np.float64]:
    """Weight of Eq. 16 and 17 at each timestep, so that 1/√ᾱ_t counts at most as given.

    The error of Eq. 13 is that of the predicted noise times √(1 − ᾱ_t)/√ᾱ_t, so its square grows
    with 1/ᾱ_t. `min(1, B² ᾱ_t)` bounds that factor by B² (after Hang et al., 2023, Min-SNR).

    # Differs from Eq. 16 and 17: they have no weight, and near T one clip would outweigh all.
    """
    if max_inverse_signal is None:
        return np.ones_like(retention)
    return np.minimum(1, max_inverse_signal**2 * retention)


class TrajectoryRegularizer(nn.Module):
    """Aligns the denoising trajectories of two feature maps of the same things.

    It has a generative 1×1 head per modality (unless `decoupled_heads` is off), the denoiser, and
    the shared token within it: 2,395,136 parameters at 512 channels.

    Args:
        channels: channels c of both maps; the latents have `config.latent_channels`, or as many.
        config: schedule, phases, weights, ablations; at least one phase.

    Raises:
        ConfigError: there is no phase or channel, or c does not fit the attention heads.
    """

    signal: Tensor
    spread: Tensor
    weight: Tensor

    def __init__(self, channels: int, config: DiffusionConfig) -> None:
        super().__init__()
        if not config.phases:
            raise ConfigError("got no phases, need at least one; without any, leave the branch out")
        if channels < 1:
            raise ConfigError(f"got {channels} channels, need those of the maps: at least 1")
        self.config = config
        self.one_call = True
        """Whether the denoiser takes all phases and modalities as one batch. Result: equal."""
        self.compiled = False
        self.channels = channels
        latent = config.latent_channels or channels
        self.heads = (
            nn.ModuleList(nn.Conv2d(channels, latent, 1) for _ in range(2))
            if config.decoupled_heads
            else None
        )
        # As many features as the latents have numbers; it does not look at how many it was told.
        self.standard = (
            nn.BatchNorm1d(channels, affine=False, track_running_stats=False)
            if config.standardise_latent
            else None
        )
        count = {DenoiserKind.NONE: 0, DenoiserKind.INDEPENDENT: 2}.get(config.denoiser, 1)
        self.denoisers = nn.ModuleList(Denoiser(latent, config) for _ in range(count))
        retention = signal_retention(config.schedule, config.steps)
        self._constant("signal", np.sqrt(retention))
        self._constant("spread", np.sqrt(1 - retention))
        # Without a denoiser nothing is noised, so no timestep counts more than another.
        bound = config.max_inverse_signal if count else None
        self._constant("weight", reconstruction_weight(retention, bound))

    def compile_denoisers(self) -> None:
        """Has torch.compile translate the denoiser at its first call. What it computes is equal.

        Where that fails, as without a compiler, the log says why, the denoiser runs as it is from
        then on, and `compiled` is false.
        """
        for denoiser in self.denoisers:
            denoiser.compile()
        self.compiled = True

    def _constant(self, name: str, values: NDArray[np.float64]) -> None:
        self.register_buffer(name, torch.from_numpy(values).float(), persistent=False)

    def forward(
        self, first: Tensor, second: Tensor, noise: Noise, identity_loss: IdentityLoss | None
    ) -> Losses:
        """The diffusion part of Eq. 18.

        Args:
            first: `(n, c, h, w)` map of one modality (2D).
            second: `(n, c, h, w)` map of the other (3D); row i shows the same as in `first`.
            noise: timesteps and noise from `draw_noise`.
            identity_loss: called once with both estimated clean latents if phase 1 is in use; a
                scalar. Without phase 1 it may be None.

        Returns:
            Unweighted terms by name (`p1_identity`, `p2_noise`, …) and their weighted sum.

        Raises:
            ConfigError: the maps differ in shape or dtype, have no rows or other channels than was
                said; the noise is of another shape than the latents or of a longer schedule (on
                CUDA the device itself stops at that); or the identity loss is missing or no
                scalar.
        """
        z_0 = self.latents(first, second)
        self._check_noise(noise, z_0)
        crossed = [phase == 3 for phase in self.config.phases]
        states = self.trajectory(z_0, noise, crossed)
        terms: dict[str, Tensor] = {}
        total = torch.zeros((), device=z_0.device)
        for phase, t, state in zip(self.config.phases, noise.t, states, strict=True):
            found = self._terms(phase, state, z_0, t, identity_loss)
            total = total + self._lambda(phase) * torch.stack([*found.values()]).sum()
            terms |= {f"p{phase}_{name}": term for name, term in found.items()}
        return Losses(terms, total)

    def latents(self, first: Tensor, second: Tensor) -> Tensor:
        """The clean latents z_0 of both modalities, `(2, n, c, h, w)` in the dtype of the maps.

        Raises:
            ConfigError: the maps differ in shape or dtype, or have no rows or other channels than
                was said.
        """
        self._check_maps(first, second)
        maps = [first, second]
        if self.heads is not None:
            maps = [head(x) for head, x in zip(self.heads, maps, strict=True)]
        z_0 = torch.cat(maps)  # cat, not stack: it keeps channels last
        if self.standard is not None:
            rows = z_0.permute(0, 2, 3, 1)
            rows = self.standard(rows.flatten(1)).view(rows.shape)  # statistics are float32
            z_0 = rows.permute(0, 3, 1, 2)
        return z_0.reshape(2, -1, *z_0.shape[1:])

    def _check_maps(self, first: Tensor, second: Tensor) -> None:
        if first.shape != second.shape:
            raise ConfigError(
                f"got maps of {tuple(first.shape)} and {tuple(second.shape)}, need two of one shape"
            )
        if first.ndim != 4 or first.shape[1] != self.channels:
            raise ConfigError(
                f"got maps of {tuple(first.shape)}, need (n, {self.channels}, h, w): "
                "TrajectoryRegularizer was made for that many channels"
            )
        if first.numel() == 0:
            raise ConfigError(f"got maps of {tuple(first.shape)}, need at least one row and cell")
        if not (first.is_floating_point() and second.is_floating_point()) or (
            first.dtype != second.dtype and not torch.is_autocast_enabled(first.device.type)
        ):
            raise ConfigError(
                f"got maps of {first.dtype} and {second.dtype}, need two of one floating dtype"
            )

    def _check_noise(self, noise: Noise, z_0: Tensor) -> None:
        phases, sides = len(self.config.phases), 1 if self.config.shared_noise else 2
        want = (phases, sides, *z_0.shape[1:])
        if noise.t.shape != want[::2][:2] or noise.eps.shape != want:
            raise ConfigError(
                f"got timesteps of {tuple(noise.t.shape)} and noise of {tuple(noise.eps.shape)}, "
                f"need ({phases}, {z_0.shape[1]}) and {want}: draw_noise with n = {z_0.shape[1]} "
                f"and latent_shape = {tuple(z_0.shape[2:])}"
            )
        if noise.t.dtype != torch.int64:
            raise ConfigError(f"got timesteps of {noise.t.dtype}, need int64: those of draw_noise")

    def trajectory(self, z_0: Tensor, noise: Noise, crossed: list[bool]) -> list[Trajectory]:
        """Noises the latents and denoises all of them in one call.

        All of it in the dtype of the latents: in float32 the maps of the size of all phases would
        take more of a GPU's time than the denoiser itself.

        Args:
            z_0: `(2, n, c, h, w)` clean latents.
            noise: k timesteps and noises per clip.
            crossed: for each of the k, whether the priors are swapped.

        Returns:
            What comes of it at each of the k.

        Raises:
            ConfigError: the noise is of a longer schedule.
        """
        signal, spread = (
            self._at(table, noise.t)[:, None, :, None, None, None].to(z_0.dtype)
            for table in (self.signal, self.spread)
        )
        eps = noise.eps.to(z_0.dtype)
        if self.denoisers:
            prior = identity_prior(z_0)  # Eq. 6
            z_t = diffuse(z_0, eps, signal, spread)  # Eq. 7
            condition = torch.stack([route(prior, cross) for cross in crossed])
            eps_hat, bridge = self._denoise(z_t, noise.t, condition)  # Eq. 8 to 11
        else:
            eps_hat = bridge = eps.expand(len(crossed), *z_0.shape)
        rows = zip(*(x.unbind() for x in (eps_hat, bridge, eps, signal, spread)), strict=True)
        return [Trajectory(*row) for row in rows]

    def _at(self, table: Tensor, t: Tensor) -> Tensor:
        try:
            return F.embedding(t, table[:, None])[..., 0]  # t < 0 is refused, where table[t] counts
        except IndexError as error:  # from the end
            raise ConfigError(
                f"got a timestep outside the {self.config.steps} of this schedule: draw_noise with "
                "the configuration that TrajectoryRegularizer was made with"
            ) from error

    def _denoise(self, z_t: Tensor, t: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        if not self.compiled or torch.compiler.is_compiling():
            return self._denoised(z_t, t, condition)
        try:
            return self._denoised(z_t, t, condition)
        except RuntimeError as error:
            if not isinstance(error, torch._dynamo.exc.TorchDynamoException):
                raise
            why = str(error).strip().splitlines()[0]
            log.warning("torch cannot compile the denoiser, which runs as it is: %s", why)
            self.compiled = False
            for denoiser in self.denoisers:
                denoiser._compiled_call_impl = None
        return self._denoised(z_t, t, condition)

    def _denoised(self, z_t: Tensor, t: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        t = t[:, None].expand(z_t.shape[:3])
        if len(self.denoisers) == 1 and self.one_call:
            return _flattened(self.denoisers[0], z_t, t, condition)
        size = len(z_t) if self.one_call else 1
        parts = zip(*(torch.split(x, size) for x in (z_t, t, condition)), strict=True)
        eps_hat, bridge = zip(*(self._apart(*part) for part in parts), strict=True)
        return torch.cat(eps_hat), torch.cat(bridge)

    def _apart(self, z_t: Tensor, t: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """One call for each modality, by its own denoiser if there are two."""
        parts = zip(*(torch.split(x, 1, dim=1) for x in (z_t, t, condition)), strict=True)
        first_and_last = (self.denoisers[0], self.denoisers[-1])
        calls = [_flattened(d, *part) for d, part in zip(first_and_last, parts, strict=True)]
        eps_hat, bridge = zip(*calls, strict=True)
        return torch.cat(eps_hat, dim=1), torch.cat(bridge, dim=1)

    def _terms(
        self,
        phase: int,
        state: Trajectory,
        z_0: Tensor,
        t: Tensor,
        identity_loss: IdentityLoss | None,
    ) -> dict[str, Tensor]:
        if phase == 1:
            if identity_loss is None:
                raise ConfigError("got no identity loss, need one for phase 1")
            return {"identity": _scalar(identity_loss(*state.estimate(z_0).unbind()))}
        reconstruction = self._reconstruction(phase, state, z_0, t)
        if not self.denoisers:  # noise that is not shared differs, and nobody can bring it together
            nothing = torch.zeros_like(reconstruction)
            return {"noise": nothing, "bridge": nothing, "reconstruction": reconstruction}
        return {
            "noise": noise_consistency(state.eps_hat),
            "bridge": bridge_consistency(state.bridge),
            "reconstruction": reconstruction,
        }

    def _reconstruction(self, phase: int, state: Trajectory, z_0: Tensor, t: Tensor) -> Tensor:
        weight, detach = self.weight[t], self.config.detach_targets
        if phase == 2 and not detach:
            # ẑ_0 − z_0 = √(1 − ᾱ_t)/√ᾱ_t (ε − ε̂): the latent cancels, in the gradient too.
            ratio = self.spread[t] / self.signal[t]
            return self_reconstruction(state.eps_hat, state.eps, weight * ratio.square())
        target = z_0.detach() if detach else z_0
        reconstruction = self_reconstruction if phase == 2 else cross_reconstruction
        return reconstruction(state.estimate(z_0), target, weight)

    def _lambda(self, phase: int) -> float:
        return (self.config.lambda1, self.config.lambda2, self.config.lambda3)[phase - 1]


def _scalar(loss: object) -> Tensor:
    """The identity loss; of several numbers the sum would count them all."""
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigError(f"got an identity loss {got}, need a scalar tensor, such as a mean")
    return loss


def _flattened(
    denoiser: nn.Module, z_t: Tensor, t: Tensor, condition: Tensor
) -> tuple[Tensor, Tensor]:
    """One call for every phase, modality and clip."""
    lead = z_t.shape[:3]
    eps_hat, bridge = denoiser(z_t.flatten(0, 2), t.flatten(), condition.flatten(0, 2))
    return eps_hat.unflatten(0, lead), bridge.unflatten(0, lead)
