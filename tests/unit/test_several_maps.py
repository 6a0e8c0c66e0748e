"""The branch on maps of other shapes: latent width, several pairs, and what does not fit."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gait.errors import ConfigError
from train.config import DiffusionConfig
from train.diffusion.regularizer import TrajectoryRegularizer
from train.diffusion.several_maps import SeveralRegularizers
from train.diffusion.trajectory import Noise, draw_noise

CONFIG = DiffusionConfig(attention_heads=2, time_embedding=8)
SHAPES = ((16, 8, 4), (32, 4, 2))


def maps(shape: tuple[int, ...], n: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(n, *shape), torch.randn(n, *shape)


def distance(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().mean()


def noise(shape: tuple[int, int, int], n: int = 3, config: DiffusionConfig = CONFIG) -> Noise:
    return draw_noise(config, n, shape, torch.Generator().manual_seed(0))


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_latents_may_be_narrower_than_the_maps() -> None:
    wide = TrajectoryRegularizer(2048, DiffusionConfig())
    config = DiffusionConfig(latent_channels=256)
    narrow = TrajectoryRegularizer(2048, config)
    assert parameters(wide) == 36_318_464
    assert parameters(narrow) == 1558144
    pair = maps((2048, 4, 2), 2)
    seen: list[tuple[int, ...]] = []

    def identity(first: Tensor, second: Tensor) -> Tensor:
        seen.append(tuple(first.shape))
        return distance(first, second)

    narrow(*pair, noise((256, 4, 2), 2, config), identity).total.backward()
    assert seen == [(2, 256, 4, 2)]
    assert all(p.grad is not None for p in narrow.parameters())


def test_several_pairs_are_the_mean_of_each() -> None:
    several = SeveralRegularizers(SHAPES, CONFIG)
    pairs = [maps(shape) for shape in SHAPES]
    noises = several.draw(3, torch.Generator().manual_seed(1))
    found = several(pairs, noises, [distance, distance])
    alone = [
        one(*pair, own, distance)
        for one, pair, own in zip(several.each, pairs, noises, strict=True)
    ]
    torch.testing.assert_close(found.total, (alone[0].total + alone[1].total) / 2)
    assert set(found.terms) == {
        f"maps{i}_{name}" for i, each in enumerate(alone) for name in each.terms
    }
    found.total.backward()
    assert all(p.grad is not None for p in several.parameters())


def test_their_noises_differ_and_repeat() -> None:
    several = SeveralRegularizers(SHAPES, CONFIG)
    one, two = (several.draw(3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert [n.eps.shape[3:] for n in one] == list(SHAPES)
    assert all(torch.equal(a.eps, b.eps) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("first", "second", "drawn", "said"),
    [
        ((3, 16, 8, 4), (3, 16, 8, 5), (16, 8, 4), r"maps of \(3, 16, 8, 4\) and \(3, 16, 8, 5\)"),
        ((3, 8, 8, 4), (3, 8, 8, 4), (8, 8, 4), r"need \(n, 16, h, w\)"),
        ((16, 8, 4), (16, 8, 4), (16, 8, 4), r"need \(n, 16, h, w\)"),
        ((3, 16, 8, 4), (3, 16, 8, 4), (16, 4, 4), r"latent_shape = \(16, 8, 4\)"),
        ((2, 16, 8, 4), (2, 16, 8, 4), (16, 8, 4), "draw_noise with n = 2"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    first: Sequence[int], second: Sequence[int], drawn: tuple[int, int, int], said: str
) -> None:
    one = TrajectoryRegularizer(16, CONFIG)
    with pytest.raises(ConfigError, match=said):
        one(torch.zeros(*first), torch.zeros(*second), noise(drawn), distance)


def test_pairs_that_are_missing_are_counted() -> None:
    with pytest.raises(ConfigError, match="got no pair"):
        SeveralRegularizers((), CONFIG)
    for shape in ((16, 8), (16, 0, 4)):
        with pytest.raises(ConfigError, match=r"need \(c, h, w\), each at least 1"):
            SeveralRegularizers((shape,), CONFIG)  # type: ignore[arg-type]
    several = SeveralRegularizers(SHAPES, CONFIG)
    with pytest.raises(ConfigError, match="got 1 pairs, 2 noises and 0 identity losses, need 2"):
        several([maps(SHAPES[0])], several.draw(3, torch.Generator()), [])


def test_a_latent_width_needs_heads() -> None:
    with pytest.raises(ConfigError, match="without decoupled_heads"):
        DiffusionConfig(latent_channels=8, decoupled_heads=False)
