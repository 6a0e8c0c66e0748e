import pytest
import torch
from torch import Tensor

from train.diffusion.terms import (
    bridge_consistency,
    cross_reconstruction,
    mean_square,
    noise_consistency,
    self_reconstruction,
)

SHAPE = (2, 3, 4, 2, 5)


@pytest.fixture
def states() -> tuple[Tensor, Tensor]:
    z_hat, z_0 = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)).unbind()
    return z_hat, z_0


def naive(a: Tensor, b: Tensor) -> list[float]:
    """Mean squared difference of each clip."""
    return [
        sum((x - y) ** 2 for x, y in zip(p.flatten().tolist(), q.flatten().tolist(), strict=True))
        / p.numel()
        for p, q in zip(a, b, strict=True)
    ]


def test_noise_and_bridge_consistency_compare_the_two_modalities(
    states: tuple[Tensor, Tensor],
) -> None:
    x, _ = states
    expected = sum(naive(x[0], x[1])) / 3
    assert noise_consistency(x).item() == pytest.approx(expected, rel=1e-5)
    assert bridge_consistency(x).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cross", [False, True])
def test_reconstruction_compares_with_ones_own_or_the_others_latent(
    states: tuple[Tensor, Tensor], cross: bool
) -> None:
    z_hat, z_0 = states
    weight = torch.tensor([1.0, 0.5, 0.0])
    expected = 0.0
    for m in range(2):
        errors = naive(z_hat[m], z_0[1 - m if cross else m])
        expected += sum(w * e for w, e in zip(weight.tolist(), errors, strict=True)) / 3
    term = cross_reconstruction if cross else self_reconstruction
    assert term(z_hat, z_0, weight).item() == pytest.approx(expected, rel=1e-5)


def test_a_modality_that_equals_its_target_costs_nothing(states: tuple[Tensor, Tensor]) -> None:
    _, z_0 = states
    ones = torch.ones(3)
    assert self_reconstruction(z_0, z_0, ones) == 0
    assert cross_reconstruction(z_0.flip(0), z_0, ones) == 0
    assert cross_reconstruction(z_0, z_0, ones) > 0


def test_gradients_are_those_of_finite_differences() -> None:
    pair = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    other = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(3, dtype=torch.float64)
    assert torch.autograd.gradcheck(mean_square, (pair,))
    assert torch.autograd.gradcheck(noise_consistency, (pair,))
    assert torch.autograd.gradcheck(lambda a, b: cross_reconstruction(a, b, weight), (pair, other))
    assert torch.autograd.gradgradcheck(mean_square, (pair,))
    assert torch.autograd.gradgradcheck(noise_consistency, (pair,))


@pytest.mark.parametrize(
    ("given", "summed"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_squares_are_added_up_in_at_least_float32(given: torch.dtype, summed: torch.dtype) -> None:
    pair = torch.randn(2, 3, 2, 2, 2).to(given).requires_grad_()
    for loss in (mean_square(pair), bridge_consistency(pair)):
        assert loss.dtype == summed
        (gradient,) = torch.autograd.grad(loss.sum(), pair)
        assert gradient.dtype == given
