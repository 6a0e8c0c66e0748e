import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
import torch._inductor.config
from torch import Tensor

from gait.errors import ConfigError
from train.config import DenoiserKind, DiffusionConfig
from train.diffusion.regularizer import (
    Trajectory,
    TrajectoryRegularizer,
    reconstruction_weight,
)
from train.diffusion.trajectory import Noise, draw_noise
from train.losses import Losses
from train.noise_schedule import BetaSchedule, signal_retention

C, N = 16, 4
SHAPE = (C, 8, 8)

TERMS = {
    1: ["p1_identity"],
    2: ["p2_noise", "p2_bridge", "p2_reconstruction"],
    3: ["p3_noise", "p3_bridge", "p3_reconstruction"],
}


def regularizer(**changes: object) -> TrajectoryRegularizer:
    """A small one whose denoisers predict something."""
    torch.manual_seed(0)
    module = TrajectoryRegularizer(C, DiffusionConfig.model_validate(changes))
    for name, parameter in module.named_parameters():
        if "predict.weight" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return module


def noise_for(module: TrajectoryRegularizer, seed: int = 0) -> Noise:
    return draw_noise(module.config, N, SHAPE, torch.Generator().manual_seed(seed))


def maps(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, N, *SHAPE, generator=generator).unbind()
    return first.requires_grad_(), second.requires_grad_()


def identity_loss(first: Tensor, second: Tensor) -> Tensor:
    """Any scalar of both estimates will do here."""
    return first.mean() + 2 * second.square().mean()


def run(module: TrajectoryRegularizer, first: Tensor, second: Tensor) -> Losses:
    return module(first, second, noise_for(module), identity_loss)  # type: ignore[no-any-return]


def naive_losses(module: TrajectoryRegularizer, first: Tensor, second: Tensor) -> Losses:
    """The algorithm phase by phase, modality by modality and clip by clip."""
    config, noise = module.config, noise_for(module)
    retention = signal_retention(config.schedule, config.steps)
    inputs = [first, second]
    if module.heads is not None:
        inputs = [head(x) for head, x in zip(module.heads, inputs, strict=True)]
    if config.standardise_latent:
        both = torch.cat(inputs)
        spread = (both.var(dim=0, correction=0) + 1e-5).sqrt()
        inputs = [(x - both.mean(dim=0)) / spread for x in inputs]
    lambdas = {1: config.lambda1, 2: config.lambda2, 3: config.lambda3}
    terms: dict[str, Tensor] = {}
    total = torch.zeros(())
    for row, phase in enumerate(config.phases):
        sums = {name: torch.zeros(()) for name in TERMS[phase]}
        estimates: list[list[Tensor]] = [[], []]
        for i in range(N):
            t = int(noise.t[row, i])
            kept = float(retention[t])
            weight = 1.0
            if config.max_inverse_signal is not None:
                weight = min(1.0, config.max_inverse_signal**2 * kept)
            z_0 = [z[i] for z in inputs]
            prior = [z.mean(dim=(1, 2)) for z in z_0]
            if phase == 3:
                prior = prior[::-1]
            eps_hat, bridge, z_hat = [], [], []
            for m in range(2):
                eps = noise.eps[row, m if noise.eps.shape[1] == 2 else 0, i]
                z_t = kept**0.5 * z_0[m] + (1 - kept) ** 0.5 * eps
                if len(module.denoisers) == 0:
                    e = b = eps[None]
                else:
                    denoiser = module.denoisers[m if len(module.denoisers) == 2 else 0]
                    e, b = denoiser(z_t[None], torch.tensor([t]), prior[m][None])
                eps_hat.append(e[0])
                bridge.append(b[0])
                z_hat.append((z_t - (1 - kept) ** 0.5 * e[0]) / kept**0.5)
                estimates[m].append(z_hat[m])
            if phase == 1:
                continue
            sums[f"p{phase}_noise"] += (eps_hat[0] - eps_hat[1]).square().mean() / N
            sums[f"p{phase}_bridge"] += (bridge[0] - bridge[1]).square().mean() / N
            for m in range(2):
                target = z_0[m if phase == 2 else 1 - m]
                target = target.detach() if config.detach_targets else target
                error = (z_hat[m] - target).square().mean()
                sums[f"p{phase}_reconstruction"] += weight * error / N
        if phase == 1:
            sums["p1_identity"] = identity_loss(*(torch.stack(e) for e in estimates))
        terms |= sums
        total = total + lambdas[phase] * torch.stack(list(sums.values())).sum()
    return Losses(terms, total)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"phases": (1, 3), "lambda1": 0.3, "lambda3": 2.0},
        {"shared_noise": False},
        {"decoupled_heads": False},
        {"modal_token": False, "axial_attention": False},
        {"denoiser": "independent"},
        {"denoiser": "heavy", "detach_targets": False},
        {"denoiser": "none"},
        {"block": "bottleneck", "normalisation": "layer"},
        {"schedule": "cosine", "max_inverse_signal": 2.0},
        {"standardise_latent": True, "detach_targets": False},
        {"standardise_latent": False, "detach_targets": True},
        {"schedule": "linear_scaled", "max_inverse_signal": None, "tau1": 0.9, "tau2": 0.4},
    ],
)
def test_losses_and_gradients_are_those_of_the_naive_algorithm(changes: dict[str, object]) -> None:
    module = regularizer(**changes)
    first, second = maps()
    expected, got = naive_losses(module, first, second), run(module, first, second)
    assert list(got.terms) == list(expected.terms)
    torch.testing.assert_close(got.terms, expected.terms, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(got.total, expected.total, rtol=1e-3, atol=1e-5)
    inputs = [first, second, *module.parameters()]
    wanted = torch.autograd.grad(expected.total, inputs)
    for a, b in zip(torch.autograd.grad(got.total, inputs), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3 * float(b.abs().max()) + 1e-8)


def test_identical_branches_and_inputs_align_exactly() -> None:
    module = regularizer()
    assert module.heads is not None
    module.heads[1].load_state_dict(module.heads[0].state_dict())
    first, _ = maps()
    losses = run(module, first, first)
    for name in ("p2_noise", "p2_bridge", "p3_noise", "p3_bridge"):
        assert losses.terms[name] == 0
    assert run(module, *maps()).terms["p2_noise"] > 0


def test_cross_routing_swaps_priors_and_nothing_else() -> None:
    module, seen = regularizer(phases=(2,)), []
    module.denoisers[0].register_forward_pre_hook(lambda _, args: seen.append(args))
    z_0 = module.latents(*maps())
    for cross in (False, True):
        module.trajectory(z_0, noise_for(module), [cross])
    (z_t, t, prior), (crossed_z_t, crossed_t, crossed_prior) = seen
    assert torch.equal(crossed_z_t, z_t)
    assert torch.equal(crossed_t, t)
    assert torch.equal(crossed_prior, torch.cat([prior[N:], prior[:N]]))
    assert not torch.equal(crossed_prior, prior)


def test_all_latents_go_through_the_denoiser_in_one_call() -> None:
    module, batches = regularizer(), []
    module.denoisers[0].register_forward_hook(lambda _, args, __: batches.append(len(args[0])))
    run(module, *maps())
    assert batches == [3 * 2 * N]


@pytest.mark.parametrize("phases", [(1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_any_subset_of_phases_has_its_terms_and_reaches_both_maps(phases: tuple[int, ...]) -> None:
    module = regularizer(phases=phases)
    first, second = maps()
    losses = run(module, first, second)
    assert list(losses.terms) == [name for phase in phases for name in TERMS[phase]]
    for term in losses.terms.values():
        for gradient in torch.autograd.grad(term, (first, second), retain_graph=True):
            assert gradient.isfinite().all()
            assert gradient.any()


@pytest.mark.parametrize("detach", [True, False])
def test_detached_targets_keep_gradients_out_of_the_other_modality(detach: bool) -> None:
    module = regularizer(phases=(3,), detach_targets=detach)
    z_0 = module.latents(*maps()).detach().requires_grad_()
    (state,) = module.trajectory(z_0, noise_for(module), [True])
    fixed = Trajectory(*(x.detach() for x in state))  # gradients of the estimate and target alone
    term = module._terms(3, fixed, z_0, noise_for(module).t[0], identity_loss)
    (found,) = torch.autograd.grad(term["reconstruction"], z_0)
    error = fixed.estimate(z_0.detach()) - z_0.detach().flip(0)
    own = 2 * error / error[0].numel()
    torch.testing.assert_close(found, own if detach else own - own.flip(0))


@pytest.mark.parametrize("detach", [True, False])
def test_detached_targets_let_the_reconstruction_of_oneself_move_the_latent(detach: bool) -> None:
    module = regularizer(phases=(2,), detach_targets=detach)
    z_0 = module.latents(*maps()).detach().requires_grad_()
    (state,) = module.trajectory(z_0, noise_for(module), [False])
    fixed = Trajectory(*(x.detach() for x in state))
    term = module._terms(2, fixed, z_0, noise_for(module).t[0], identity_loss)
    assert term["reconstruction"].requires_grad is detach
    error = fixed.estimate(z_0.detach()) - z_0.detach()
    assert term["reconstruction"].item() == pytest.approx(
        2 * error.square().mean().item(), rel=1e-5
    )


@pytest.mark.parametrize("size", [(8, 8), (4, 2)])
def test_standardised_latents_vary_as_much_everywhere(size: tuple[int, int]) -> None:
    module = regularizer(standardise_latent=True)
    first, second = torch.randn(2, 16, C, *size).unbind()
    z_0 = module.latents(5 * first + 3, second).flatten(0, 1)
    torch.testing.assert_close(z_0.mean(dim=0), torch.zeros(C, *size), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        z_0.std(dim=0, correction=0), torch.ones(C, *size), atol=1e-3, rtol=0
    )


def test_the_reconstruction_weight_bounds_the_inverse_signal() -> None:
    retention = signal_retention(BetaSchedule.COSINE, 100)
    weight = reconstruction_weight(retention, 5.0)
    assert (weight / retention).max() == pytest.approx(25)
    assert (weight[retention >= 0.04] == 1).all()
    assert (reconstruction_weight(retention, None) == 1).all()
    default = signal_retention(BetaSchedule.LINEAR, 100)
    assert (reconstruction_weight(default, DiffusionConfig().max_inverse_signal) == 1).all()


def test_without_a_denoiser_the_clean_latents_are_compared() -> None:
    module, (first, second) = regularizer(denoiser="none"), maps()
    losses = run(module, first, second)
    terms, z_0 = losses.terms, module.latents(first, second)
    assert run(regularizer(denoiser="none", phases=(1, 3)), first, second).total == losses.total
    direct = 2 * (z_0[0] - z_0[1]).square().mean()
    torch.testing.assert_close(terms.pop("p3_reconstruction"), direct)
    assert terms.pop("p1_identity") == identity_loss(*z_0)
    assert set(map(float, terms.values())) == {0}
    with pytest.raises(ConfigError, match="phase 2 alone"):
        DiffusionConfig(denoiser=DenoiserKind.NONE, phases=(2,))


@pytest.mark.parametrize("schedule", BetaSchedule)
def test_without_a_denoiser_no_timestep_weighs_more(schedule: BetaSchedule) -> None:
    module, (first, second) = regularizer(denoiser="none", schedule=schedule, tau1=0.9), maps()
    assert (module.weight == 1).all()
    drawn = [
        module(first, second, noise_for(module, seed), identity_loss).terms for seed in range(4)
    ]
    z_0 = module.latents(first, second)
    direct = 2 * (z_0[0] - z_0[1]).square().mean()
    for terms in drawn:
        torch.testing.assert_close(terms["p3_reconstruction"], direct)
        assert terms["p3_reconstruction"] == drawn[0]["p3_reconstruction"]


def test_without_a_denoiser_noise_that_is_not_shared_costs_nothing() -> None:
    first, second = maps()
    one, two = (regularizer(denoiser="none", shared_noise=shared) for shared in (True, False))
    shared, apart = (run(module, first, second) for module in (one, two))
    zero = {name for name, term in apart.terms.items() if not term.item()}
    assert zero == {*TERMS[2], "p3_noise", "p3_bridge"}
    assert apart.total == shared.total


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_where_nothing_can_be_compiled_the_denoiser_runs_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    torch.compiler.reset()
    plain, compiled = regularizer(), regularizer()
    with torch._inductor.config.patch({"cpp.cxx": ("/no/compiler",)}):
        compiled.compile_denoisers()
        states = [compiled.compiled]
        for _ in range(2):
            found = run(compiled, *maps()).total
            torch.testing.assert_close(found, run(plain, *maps()).total)
            found.backward()  # type: ignore[no-untyped-call]
            states.append(compiled.compiled)
    assert states == [True, False, False]
    assert caplog.text.count("torch cannot compile the denoiser, which runs as it is") == 1
    torch.compiler.reset()  # it would go on passing over this denoiser


def test_the_plug_in_does_not_load_what_only_compiling_needs() -> None:
    """It takes more than a second."""
    look = "import sys, train.diffusion.regularizer; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"


def test_independent_denoisers_share_nothing_and_coupled_heads_have_no_parameters() -> None:
    independent = regularizer(denoiser=DenoiserKind.INDEPENDENT)
    first, second = (set(map(id, each.parameters())) for each in independent.denoisers)
    assert len(first) == len(second) > 10
    assert not first & second
    assert {id(p) for n, p in independent.named_parameters() if "token" in n} <= first | second
    assert sum("token" in name for name, _ in independent.named_parameters()) == 2
    names = {
        name.split(".")[0] for name, _ in regularizer(decoupled_heads=False).named_parameters()
    }
    assert names == {"denoisers"}


def test_full_size_stays_below_the_budget() -> None:
    module = TrajectoryRegularizer(512, DiffusionConfig())
    assert sum(p.numel() for p in module.parameters()) == 2_395_136 <= 2_600_000


def test_widths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="need channels divisible by 8"):
        TrajectoryRegularizer(12, DiffusionConfig())


def test_a_branch_without_phases_is_refused() -> None:
    with pytest.raises(ConfigError, match="got no phases"):
        TrajectoryRegularizer(C, DiffusionConfig(phases=()))


@pytest.mark.parametrize("channels", [0, -8])
def test_a_branch_without_channels_is_refused(channels: int) -> None:
    with pytest.raises(ConfigError, match=f"got {channels} channels, need those of the maps"):
        TrajectoryRegularizer(channels, DiffusionConfig())


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda a, b: (a - b).square().mean(dim=(1, 2, 3)), rf"of shape \({N},\)"),
        (lambda a, b: (a - b).square().mean()[None], r"of shape \(1,\)"),
        (lambda *_: 0.5, "float"),
    ],
)
def test_an_identity_loss_of_several_numbers_is_refused(
    loss: Callable[[Tensor, Tensor], Tensor], said: str
) -> None:
    module = regularizer()
    with pytest.raises(ConfigError, match=f"got an identity loss {said}, need a scalar"):
        module(*maps(), noise_for(module), loss)


def test_maps_without_rows_are_refused() -> None:
    module, empty = regularizer(), torch.zeros(0, *SHAPE)
    noise = draw_noise(module.config, 0, SHAPE, torch.Generator())
    with pytest.raises(ConfigError, match="need at least one row"):
        module(empty, empty, noise, identity_loss)


@pytest.mark.parametrize("heads", [True, False])
def test_maps_of_two_dtypes_are_refused_unless_autocast_joins_them(heads: bool) -> None:
    module, (first, second) = regularizer(decoupled_heads=heads), maps()
    for others in ((first, second.bfloat16()), (first.long(), second.long())):
        with pytest.raises(ConfigError, match="need two of one floating dtype"):
            module(*others, noise_for(module), identity_loss)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(first, second.bfloat16(), noise_for(module), identity_loss).total.isfinite()


def test_an_identity_loss_is_needed_for_phase_1_alone() -> None:
    whole, others = regularizer(), regularizer(phases=(2, 3))
    with pytest.raises(ConfigError, match="no identity loss, need one for phase 1"):
        whole(*maps(), noise_for(whole), None)
    assert others(*maps(), noise_for(others), None).total > 0


def test_noise_of_another_schedule_is_refused() -> None:
    module = regularizer()
    t, eps = noise_for(module)
    for wrong in (t + 100, t - 100):
        with pytest.raises(ConfigError, match="got a timestep outside the 100 of this schedule"):
            module(*maps(), Noise(wrong, eps), identity_loss)
    with pytest.raises(ConfigError, match=r"got timesteps of torch\.float32, need int64"):
        module(*maps(), Noise(t.float(), eps), identity_loss)
