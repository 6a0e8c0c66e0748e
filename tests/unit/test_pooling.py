from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from train.config import FramePooling
from train.model.pooling import horizontal_pooling, temporal_pooling


@pytest.fixture
def features() -> Tensor:
    return torch.randn(3, 5, 4, 6, 2, generator=torch.Generator().manual_seed(0))


def test_temporal_pooling_is_the_maximum_over_frames(features: Tensor) -> None:
    expected = torch.stack([torch.stack([*clip]).max(0).values for clip in features])
    torch.testing.assert_close(temporal_pooling(features), expected, rtol=0, atol=0)


def test_the_maximum_of_a_training_step_stays_channels_last() -> None:
    """So that nothing behind it is laid anew; value and gradient are those of the plain maximum."""
    frames = torch.randn(6, 8, 4, 4).to(memory_format=torch.channels_last)
    frames[1] = frames[0]  # a tie, whose gradient is shared
    pools: list[Callable[[Tensor], Tensor]] = [temporal_pooling, lambda x: x.amax(dim=1)]
    found = []
    for pool in pools:
        maps = frames.detach().requires_grad_()
        pooled = pool(maps.view(2, 3, 8, 4, 4))
        (gradient,) = torch.autograd.grad(pooled.square().sum(), maps)
        found.append((pooled.detach(), gradient))
    (pooled, gradient), (plain, expected) = found
    assert pooled.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(pooled, plain)
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("kind", FramePooling)
def test_a_pooling_may_be_given_by_its_name(features: Tensor, kind: FramePooling) -> None:
    features, lengths = features.abs(), torch.tensor([1, 3, 5])
    named = temporal_pooling(features, lengths, str(kind.value))  # type: ignore[arg-type]
    assert torch.equal(named, temporal_pooling(features, lengths, kind))


def test_the_order_of_frames_does_not_matter(features: Tensor) -> None:
    shuffled = features[:, torch.tensor([3, 0, 4, 1, 2])]
    assert torch.equal(temporal_pooling(features), temporal_pooling(shuffled))


def test_padded_frames_never_matter(features: Tensor) -> None:
    lengths = torch.tensor([1, 3, 5])
    pooled = temporal_pooling(features, lengths)
    for clip, length, got in zip(features, lengths, pooled, strict=True):
        assert torch.equal(got, temporal_pooling(clip[None, :length])[0])
    padded = features.clone()
    for clip, length in zip(padded, lengths, strict=True):
        clip[length:] = 1e6
    assert torch.equal(temporal_pooling(padded, lengths), pooled)


def test_padded_frames_get_no_gradient(features: Tensor) -> None:
    features.requires_grad_()
    pooled = temporal_pooling(features, torch.tensor([1, 3, 5]))
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    assert not gradient[0, 1:].any()
    assert gradient.sum() == pytest.approx(3 * 4 * 6 * 2)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_horizontal_pooling_adds_mean_and_maximum_of_each_strip(parts: int) -> None:
    maps = torch.randn(2, 4, 6, 3, generator=torch.Generator().manual_seed(1))
    rows = 6 // parts
    pooled = horizontal_pooling(maps, parts)
    assert pooled.shape == (2, parts, 4)
    for part in range(parts):
        strip = maps[:, :, part * rows : (part + 1) * rows]
        expected = strip.mean(dim=(2, 3)) + strip.amax(dim=(2, 3))
        torch.testing.assert_close(pooled[:, part], expected)


def test_a_pyramid_lays_its_scales_end_to_end() -> None:
    maps = torch.randn(2, 3, 8, 5)
    pooled = horizontal_pooling(maps, 1, 2, 4, 8)
    assert pooled.shape == (2, 15, 3)
    alone = torch.cat([horizontal_pooling(maps, strips) for strips in (1, 2, 4, 8)], dim=1)
    assert torch.equal(pooled, alone)
    torch.testing.assert_close(pooled[:, 0], maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3)))


@pytest.mark.parametrize(
    ("kind", "values", "want"),
    [
        (FramePooling.MAX, (1.0, 2.0, 6.0), 6.0),
        (FramePooling.MEAN, (1.0, 2.0, 6.0), 3.0),
        (FramePooling.UPPER_HALF, (1.0, 2.0, 6.0), 4.0),
        (FramePooling.UPPER_HALF, (6.0, 1.0, 2.0, 4.0), 5.0),
        (FramePooling.UPPER_HALF, (2.0,), 2.0),
        (FramePooling.GENERALISED_MEAN, (1.0, 2.0, 6.0), (225 / 3) ** (1 / 3)),
    ],
)
def test_what_is_taken_over_frames(
    kind: FramePooling, values: tuple[float, ...], want: float
) -> None:
    features = torch.tensor(values)[None, :, None, None, None]
    assert temporal_pooling(features, kind=kind).item() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("kind", FramePooling)
def test_no_pooling_sees_padding(features: Tensor, kind: FramePooling) -> None:
    features = features.abs()
    lengths = torch.tensor([1, 3, 5])
    pooled = temporal_pooling(features, lengths, kind)
    for clip, length, got in zip(features, lengths, pooled, strict=True):
        alone = temporal_pooling(clip[None, :length], kind=kind)[0]
        torch.testing.assert_close(got, alone)


def test_columns_keep_where_in_a_strip_something_is() -> None:
    features = torch.zeros(1, 1, 4, 4)
    features[0, 0, 0, 3] = 4.0
    pooled = horizontal_pooling(features, 2, columns=2)
    assert pooled.tolist() == [[[0.0, 5.0], [0.0, 0.0]]]
    assert horizontal_pooling(features, 2).tolist() == [[[4.5], [0.0]]]
