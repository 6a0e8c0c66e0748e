import pytest
import torch
from pydantic import ValidationError

from gait.errors import ConfigError
from gait.modality import Modality
from train.config import ModelConfig
from train.model.network import Branch
from train.model.resnet9 import ResNet9


@pytest.mark.parametrize(("channels", "parameters"), [(1, 4_896_960), (3, 4_898_112)])
def test_full_size_has_the_papers_parameters(channels: int, parameters: int) -> None:
    network = ResNet9(channels, ModelConfig())
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_full_size_turns_64_pixels_into_512_channels_of_16() -> None:
    assert ModelConfig().latent_shape == (512, 16, 16)
    with torch.no_grad():
        assert ResNet9(1, ModelConfig())(torch.rand(2, 1, 64, 64)).shape == (2, 512, 16, 16)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(channels=(4, 8, 8, 16), stem_stride=2, parts=8),
        ModelConfig(channels=(4, 8), strides=(2, 2), blocks=(2, 3), parts=4),
        ModelConfig(channels=(6,), strides=(1,), blocks=(1,), stem_stride=4, parts=16),
    ],
)
def test_width_depth_and_strides_are_the_configs(config: ModelConfig) -> None:
    network = ResNet9(3, config)
    assert len(network.stages) == sum(config.blocks)
    with torch.no_grad():
        maps = network(torch.rand(2, 3, 64, 64))
    assert maps.shape == (2, *config.latent_shape)
    assert maps.min() >= 0


def test_separable_convolutions_see_as_far_with_an_eighth_of_the_work() -> None:
    full, light = (ResNet9(1, ModelConfig(convolutions=kind)) for kind in ("full", "separable"))
    first, second = (sum(p.numel() for p in net.stages.parameters()) for net in (full, light))
    assert first / 8 < second < first / 6
    depthwise = [m for m in light.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert len(depthwise) == 8
    assert all(m.groups == m.in_channels and m.kernel_size == (3, 3) for m in depthwise)
    with torch.no_grad():
        assert light(torch.rand(1, 1, 64, 64)).shape == full(torch.rand(1, 1, 64, 64)).shape


def test_a_narrow_network_sees_the_columns_around_the_middle() -> None:
    config = ModelConfig(channels=(4, 8), strides=(2, 2), blocks=(1, 1), parts=4, width=48)
    assert config.latent_shape == (8, 16, 12)
    branch = Branch(Modality.SILHOUETTE, config).eval()
    frames = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    assert torch.equal(branch.pixels(frames), frames[..., 8:56].float() / 255)
    outside = frames.clone()
    outside[..., :8] = outside[..., 56:] = 0
    assert torch.equal(branch.maps(frames), branch.maps(outside))
    assert branch.maps(frames).shape[1:] == config.latent_shape


@pytest.mark.parametrize("width", [30, 62, 0, 66])
def test_a_width_that_does_not_fit_is_refused(width: int) -> None:
    with pytest.raises((ConfigError, ValidationError)):
        ModelConfig(width=width)
