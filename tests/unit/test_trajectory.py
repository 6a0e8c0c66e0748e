import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import DiffusionConfig
from train.diffusion.trajectory import (
    Noise,
    clean_estimate,
    diffuse,
    draw_noise,
    identity_prior,
    route,
)
from train.noise_schedule import BetaSchedule, signal_retention

SHAPE = (4, 6, 3)


def draw(config: DiffusionConfig, n: int = 5, seed: int = 0) -> Noise:
    return draw_noise(config, n, SHAPE, torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(
    schedule=st.sampled_from(BetaSchedule),
    steps=st.integers(1, 400),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_noising_then_estimating_with_the_true_noise_returns_the_latent(
    schedule: BetaSchedule, steps: int, share: float, seed: int
) -> None:
    retention = torch.from_numpy(signal_retention(schedule, steps))[1 + int(share * (steps - 1))]
    signal, spread = retention.sqrt(), (1 - retention).sqrt()
    generator = torch.Generator().manual_seed(seed)
    z_0, eps = torch.randn(2, *SHAPE, dtype=torch.float64, generator=generator).unbind()
    assert torch.equal(clean_estimate(z_0, eps, eps, signal, spread), z_0)
    guess = torch.randn(SHAPE, dtype=torch.float64, generator=generator)
    literal = (diffuse(z_0, eps, signal, spread) - spread * guess) / signal
    estimate = clean_estimate(z_0, eps, guess, signal, spread)
    torch.testing.assert_close(estimate, literal, atol=1e-9, rtol=1e-9)


def test_noising_keeps_unit_variance() -> None:
    # Sample variance of 200,000 unit normals: standard deviation 0.0032; fails by chance 1 in 1e6.
    generator = torch.Generator().manual_seed(0)
    z_0, eps = torch.randn(2, 200_000, generator=generator).unbind()
    for kept in (0.95, 0.5, 0.1):
        z_t = diffuse(z_0, eps, torch.tensor(kept).sqrt(), torch.tensor(1 - kept).sqrt())
        assert z_t.var().item() == pytest.approx(1, abs=0.016)


def test_the_prior_is_the_average_over_the_map() -> None:
    z_0 = torch.randn(2, *SHAPE)
    for i in range(2):
        for channel in range(4):
            mean = sum(z_0[i, channel].flatten().tolist()) / 18
            assert identity_prior(z_0)[i, channel].item() == pytest.approx(mean, abs=1e-6)


def test_cross_routing_swaps_the_priors_and_self_routing_does_not() -> None:
    prior = torch.randn(2, 5, 4)
    assert torch.equal(route(prior, cross=False), prior)
    assert torch.equal(route(prior, cross=True)[0], prior[1])
    assert torch.equal(route(prior, cross=True)[1], prior[0])


@pytest.mark.parametrize("phases", [(), (1,), (3,), (1, 3), (1, 2, 3)])
def test_each_phase_draws_timesteps_of_its_own_interval(phases: tuple[int, ...]) -> None:
    config = DiffusionConfig.model_validate({"phases": phases})
    noise = draw(config, n=2000)
    assert noise.t.shape == (len(phases), 2000)
    for row, phase in zip(noise.t, phases, strict=True):
        # Each of at most 60 timesteps is missed by 2,000 uniform draws with chance below 1e-12.
        assert set(row.tolist()) == set(config.intervals[phase - 1])


def test_noise_is_shared_by_the_modalities_unless_configured_otherwise() -> None:
    assert draw(DiffusionConfig()).eps.shape == (3, 1, 5, *SHAPE)
    independent = draw(DiffusionConfig(shared_noise=False)).eps
    assert independent.shape == (3, 2, 5, *SHAPE)
    assert not torch.equal(independent[:, 0], independent[:, 1])


def test_noise_is_a_pure_function_of_the_generator() -> None:
    one, same, other = (draw(DiffusionConfig(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.t, same.t)
    assert torch.equal(one.eps, same.eps)
    assert not torch.equal(one.eps, other.eps)


def test_the_noise_of_all_clips_is_that_of_its_shards() -> None:
    noise = draw(DiffusionConfig(shared_noise=False), n=6)
    shards = [noise.of(slice(0, 2)), noise.of(slice(2, 6))]
    assert torch.equal(torch.cat([shard.t for shard in shards], dim=1), noise.t)
    assert torch.equal(torch.cat([shard.eps for shard in shards], dim=2), noise.eps)
