"""ResNet9: what turns one frame into a feature map (the E of Eq. 1)."""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from train.config import ModelConfig
from train.diffusion.denoiser import DepthwiseConv


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """A padded 3×3 convolution without bias: a batch norm always follows."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def separable3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """One padded 3×3 convolution for each channel, a norm, then a 1×1 across channels, after which
    a batch norm follows (Howard et al., 2017, who have an activation between the two).
    """
    return nn.Sequential(
        DepthwiseConv(channels_in, stride),
        nn.BatchNorm2d(channels_in),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al., 2016).

    Args:
        channels_in, channels_out: of the maps.
        stride: of the first convolution.
        convolution: what makes one from the same three.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        convolution: Callable[..., nn.Module] = conv3x3,
    ) -> None:
        super().__init__()
        self.conv1 = convolution(channels_in, channels_out, stride)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = convolution(channels_out, channels_out)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x), inplace=True)


class ResNet9(nn.Module):
    """Stem and stages of basic blocks. No max-pool: the stem's stride is in the config.

    At full size it has 4,896,960 parameters with one input channel and 4,898,112 with three, and
    turns 64×64 pixels into 512×16×16.

    Args:
        channels: channels of a frame.
        config: widths, strides and depths of the stages.
    """

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        width = config.channels[0]
        self.stem = nn.Sequential(
            conv3x3(channels, width, config.stem_stride), nn.BatchNorm2d(width), nn.ReLU(True)
        )
        convolution = conv3x3 if config.convolutions == "full" else separable3x3
        stages: list[nn.Module] = []
        for out, stride, blocks in zip(config.channels, config.strides, config.blocks, strict=True):
            strides = [stride] + [1] * (blocks - 1)
            widths = [width] + [out] * (blocks - 1)
            each = zip(widths, strides, strict=True)
            stages += [BasicBlock(w, out, s, convolution) for w, s in each]
            width = out
        self.stages = nn.Sequential(*stages)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, 64, width)` → `(N, c, h, w)`, not negative."""
        return cast(Tensor, self.stages(self.stem(x)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        # Of a convolution by channels torch counts the outputs of all channels: it starts smaller
        # than He's rule says, which found more people held out (results/speed.md).
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
