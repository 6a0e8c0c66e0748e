import pytest
import torch

from train.config import ModelConfig
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
