"""How far apart the two modalities are along the denoising trajectory."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gait.errors import ConfigError
from gait.modality import Modality
from train.data.batches import MappedFrames
from train.data.pack import Pack, Record
from train.diffusion.regularizer import TrajectoryRegularizer
from train.diffusion.trajectory import Noise
from train.embed import batched_by_length
from train.loop.learner import Machine
from train.model.network import GaitNetwork

TIMESTEPS = tuple(range(10, 100, 10))


class Gaps(NamedTuple):
    """Root mean square distances between the modalities of the same walks.

    A distance may be the same offset for every walk, which tells nobody apart; "varying" is what is
    left of it without each modality's mean over walks.

    Args:
        timesteps: where they were measured.
        latent, latent_varying: of the clean latents z_0, before any noise.
        recovered, recovered_varying, bridge, noise: of ẑ_0, b and ε̂, `(timesteps,)`.
    """

    timesteps: Sequence[int]
    latent: float
    latent_varying: float
    recovered: NDArray[np.float64]
    recovered_varying: NDArray[np.float64]
    bridge: NDArray[np.float64]
    noise: NDArray[np.float64]


@torch.inference_mode()
def measure_gaps(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    machine: Machine,
    timesteps: Sequence[int] | None = None,
    seed: int = 0,
) -> Gaps:
    """Noises both modalities of each walk alike, denoises them, and compares.

    Each with its own prior, at every t. Distances of latents and of bridging states are divided by
    their standard deviation over walks (at each place of the map, in each modality, root mean
    square): walks that have nothing in common are √2 apart, and runs whose latents have different
    scales can be compared. Predicted noise needs no such unit: that of noise is 1.

    Args:
        network: with a diffusion branch, on the machine's device, in evaluation mode.
        pack: where the frames are.
        records: the walks.
        machine: what to compute on.
        timesteps: where to look, each in 1..T; None: those of `TIMESTEPS` that are.
        seed: of the noise.

    Raises:
        ConfigError: the network has no diffusion branch, or t is beyond T.
    """
    branch = network.regularizer
    if branch is None:
        raise ConfigError("got a run without diffusion, need one with: full, or another row")
    if timesteps is None:
        timesteps = [t for t in TIMESTEPS if t <= branch.config.steps]
    if not timesteps or min(timesteps) < 1 or max(timesteps) > branch.config.steps:
        raise ConfigError(f"got timesteps {timesteps}, need some in 1..{branch.config.steps}")
    z_0 = clean_latents(network, pack, records, machine)
    unit = _spread(z_0)
    generator = torch.Generator(machine.device).manual_seed(seed)
    found = [_at(branch, z_0, t, generator) for t in timesteps]
    return Gaps(
        timesteps,
        _distance(z_0) / unit,
        _distance(_varying(z_0)) / unit,
        np.array([_distance(z_hat) / unit for z_hat, _, _ in found]),
        np.array([_distance(_varying(z_hat)) / unit for z_hat, _, _ in found]),
        np.array([_distance(b) / _spread(b) for _, b, _ in found]),
        np.array([_distance(eps_hat) for _, _, eps_hat in found]),
    )


def clean_latents(
    network: GaitNetwork, pack: Pack, records: Sequence[Record], machine: Machine
) -> Tensor:
    """z_0 of all frames of each walk, `(2, n, c, h, w)` float32; walks in order of their length."""
    assert network.regularizer is not None
    frames = MappedFrames(pack, records)
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    lengths = np.array([r.length for r in records])
    for group in batched_by_length(lengths):
        offsets = np.minimum(np.arange(lengths[group].max()), lengths[group, None] - 1)
        both = frames.fetch(group, offsets)
        for modality, clips, out in zip(Modality, both, found, strict=True):
            branch = network.branch(modality)
            features = branch.features(clips.to(machine.device))
            out.append(features if network.decoupled else branch.head(features))
    # All at once: standardised latents are so over the walks they are given.
    return network.regularizer.latents(*(torch.cat(maps) for maps in found))


def _at(
    branch: TrajectoryRegularizer, z_0: Tensor, t: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """ẑ_0, b and ε̂ of all walks at one timestep, each `(2, n, …)`."""
    steps = torch.full((1, z_0.shape[1]), t, device=z_0.device)
    eps = torch.randn((1, 1, *z_0.shape[1:]), generator=generator, device=z_0.device)
    (state,) = branch.trajectory(z_0, Noise(steps, eps), [False])
    return state.estimate(z_0), state.bridge, state.eps_hat


def _distance(pair: Tensor) -> float:
    return float((pair[0] - pair[1]).square().mean().sqrt())


def _varying(pair: Tensor) -> Tensor:
    return pair - pair.mean(dim=1, keepdim=True)


def _spread(pair: Tensor) -> float:
    return float(pair.var(dim=1).mean().sqrt())
