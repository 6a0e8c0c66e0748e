"""The denoiser: a light U-Net over two scales with axial attention in between (Eq. 8 to 11).

    z_t ── block ──┬─ down ─ block ─ + bias ─ attention ─ block ─ up ─┬─ block ─ ε̂
     c, h×w        │           c/2, h/2×w/2            └─ b           │
                   └──────────────────── skip ────────────────────────┘

Depthwise-separable convolutions keep it light: at c = 512 it has 1,869,824 parameters. The paper
gives the scales, the widths 512 and 256, four blocks and one attention; the rest is ours.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gait.errors import ConfigError
from train.config import DenoiserBlock, DenoiserKind, DiffusionConfig, Normalisation

HEAVY = 3.7
"""Width inside the blocks of the heavy denoiser, relative to that of the bottleneck. Its 3×3
convolutions are full ones: 27,168,320 parameters at 512 channels, with which the whole network has
2.6 times those of the one with the light denoiser, as in paper Table 7."""


def time_embeddings(steps: int, width: int) -> Tensor:
    """emb(t) of Eq. 9: sines and cosines of t at geometric frequencies (Vaswani et al., 2017).

    Returns:
        `(steps + 1, width)` float32; row t is emb(t).
    """
    rates = torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
    angles = torch.arange(steps + 1)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def on_processor(x: Tensor) -> bool:
    """Whether what suits a processor is computed, and not what suits a GPU."""
    return x.device.type == "cpu"


def _widened(x: Tensor) -> Tensor:
    """In float32; in float64 what is in it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class GroupNorm(nn.GroupNorm):
    """GroupNorm in the dtype of its input; its statistics are float32 all the same.

    CUDA's autocast would make a float32 copy of every map, and so of what follows. A processor
    takes longer for bfloat16 than for float32 and both conversions. Of a map that lies channels
    last and needs no gradient, torch 2.13's gradient of the weights ends a processor's process.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            x = _widened(input) if on_processor(input) else input
            if on_processor(x) and not x.requires_grad:
                x = x.contiguous()
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return F.group_norm(x, self.num_groups, weight, bias, self.eps).to(input.dtype)


class DepthwiseConv(nn.Conv2d):
    """A 3×3 convolution of each channel by itself, on a processor in float32 as `GroupNorm`."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__(channels, channels, 3, stride, 1, groups=channels, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if not (on_processor(input) and torch.is_autocast_enabled("cpu")):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(_widened(input)).to(torch.get_autocast_dtype("cpu"))


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each cell, in the dtype of its input.

    Where channels lie last it reads what lies together, and nothing is laid out anew around it.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`(n, c, h, w)` → the same shape."""
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        with torch.autocast(input.device.type, enabled=False):
            rows = F.layer_norm(
                input.permute(0, 2, 3, 1), self.normalized_shape, weight, bias, self.eps
            )
        return rows.permute(0, 3, 1, 2)


def group_norm(channels: int) -> GroupNorm:
    """Normalisation over at most 32 groups of at least 8 channels."""
    fit = [g for g in (2, 4, 8, 16, 32) if channels % g == 0 and channels // g >= 8]
    return GroupNorm(max(fit, default=1), channels)


NORMS: dict[Normalisation, Callable[[int], nn.Module]] = {
    Normalisation.GROUP: group_norm,
    Normalisation.LAYER: ChannelNorm,
}


def separable(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 3×3 convolution per channel, then a 1×1 convolution across channels."""
    return nn.Sequential(
        DepthwiseConv(channels_in),
        nn.Conv2d(channels_in, channels_out, 1),
    )


def full(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 3×3 convolution."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1))


def narrowed(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 1×1 convolution to fewer channels, and a 3×3 convolution of those."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1), nn.SiLU(), full(channels_out, channels_out)
    )


class ResBlock(nn.Module):
    """Two steps of convolutions, each after a norm and SiLU, around a residual connection.

    Light ones are two depthwise-separable 3×3 convolutions, heavy ones two full ones. A bottleneck
    is 1×1, 3×3 and 1×1 on fewer channels: as many parameters, and no depthwise convolution, which
    moves much memory for little arithmetic.

    Args:
        channels: of what goes in and comes out.
        low: channels of the lower scale.
        config: which kind, and which norm.
    """

    def __init__(self, channels: int, low: int, config: DiffusionConfig) -> None:
        super().__init__()
        norm = NORMS[config.normalisation]
        first: Callable[[int, int], nn.Module]
        last: Callable[[int, int], nn.Module]
        if config.block == DenoiserBlock.BOTTLENECK:
            hidden, first, last = low // 2, narrowed, partial(nn.Conv2d, kernel_size=1)
        elif config.denoiser == DenoiserKind.HEAVY:
            hidden, first, last = 8 * round(low * HEAVY / 8), full, full
        else:
            hidden, first, last = low, separable, separable
        self.norm1, self.conv1 = norm(channels), first(channels, hidden)
        self.norm2, self.conv2 = norm(hidden), last(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + cast(Tensor, self.conv2(F.silu(self.norm2(y))))


class AxialAttention(nn.Module):
    """The MSA of Eq. 11: each column is a sequence of its rows, normalised first."""

    def __init__(
        self, channels: int, heads: int, norm: Callable[[int], nn.Module] = group_norm
    ) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        """`(n, c, h, w)` → the same shape."""
        columns = self.norm(h).permute(0, 3, 2, 1)  # (n, w, h, c)
        n, w, rows, c = columns.shape
        qkv = self.qkv(columns).reshape(n * w, rows, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = _attended(q, k, v)
        mixed = attended.transpose(1, 2).reshape(n, w, rows, c)
        return cast(Tensor, self.out(mixed)).permute(0, 3, 2, 1)


def _attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What each row takes from the others: `(n, heads, rows, c)`.

    A column has few rows, for which a processor's flash attention takes twice the time of the plain
    formula.
    """
    if not on_processor(q):
        return F.scaled_dot_product_attention(q, k, v)
    weights: Tensor = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
    return weights.to(v.dtype) @ v


class Denoiser(nn.Module):
    """ε_θ of Eq. 8: predicts the noise in a latent and yields the bridging state on the way.

    The condition is `[token ; prior]` with one learnable token for both modalities. As Eq. 9 is
    linear, the token acts as a learned channel-wise constant.

    Args:
        channels: latent channels c; half of them in the lower scale.
        config: steps, embedding width, attention and the ablations.

    Raises:
        ConfigError: c is odd, or c/2 is no multiple of the attention heads.
    """

    embeddings: Tensor

    def __init__(self, channels: int, config: DiffusionConfig) -> None:
        super().__init__()
        low = _half(channels, config.attention_heads)
        norm = NORMS[config.normalisation]
        width = config.time_embedding
        table = time_embeddings(config.steps, width)
        self.register_buffer("embeddings", table, persistent=False)
        self.token = nn.Parameter(0.02 * torch.randn(width)) if config.modal_token else None
        condition = width + (width if config.modal_token else 0) + channels
        self.bias = nn.Linear(condition, low, bias=False)

        self.enter = ResBlock(channels, low, config)
        self.down = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(channels, low, 1))
        self.before = ResBlock(low, low, config)
        self.attention = (
            AxialAttention(low, config.attention_heads, norm) if config.axial_attention else None
        )
        self.after = ResBlock(low, low, config)
        self.up = nn.Conv2d(low, channels, 1)
        self.leave = ResBlock(channels, low, config)
        self.norm = norm(channels)
        self.predict = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.predict.weight)
        nn.init.zeros_(cast(Tensor, self.predict.bias))

    def forward(self, z_t: Tensor, t: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 8.

        Args:
            z_t: `(n, c, h, w)` noisy latents.
            t: `(n,)` int64 timesteps in 1..T.
            prior: `(n, c)` identity priors.

        Returns:
            `(n, c, h, w)` predicted noise ε̂ and `(n, c/2, h/2, w/2)` bridging state b.
        """
        skip = self.enter(z_t)
        h = self.before(self.down(skip))
        h = h + self.channel_bias(t, prior)[:, :, None, None]  # Eq. 10
        b = h if self.attention is None else h + self.attention(h)  # Eq. 11
        up = F.interpolate(self.up(self.after(b)), size=skip.shape[-2:], mode="nearest")
        return self.predict(F.silu(self.norm(self.leave(up + skip)))), b

    def channel_bias(self, t: Tensor, prior: Tensor) -> Tensor:
        """Eq. 9: `bias = W[emb(t) ; token ; prior]`, `(n, c/2)`."""
        condition = [self.embeddings[t]]
        if self.token is not None:
            condition.append(self.token.expand(len(t), -1))
        return cast(Tensor, self.bias(torch.cat([*condition, prior], dim=1)))


def _half(channels: int, heads: int) -> int:
    if channels % 2 or channels // 2 % heads:
        raise ConfigError(
            f"got {channels} latent channels and {heads} attention heads, need channels "
            f"divisible by {2 * heads}; change latent_channels, attention_heads or the maps' width"
        )
    return channels // 2
