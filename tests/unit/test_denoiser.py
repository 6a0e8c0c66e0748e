import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gait.errors import ConfigError
from train.config import (
    DenoiserBlock,
    DenoiserKind,
    DiffusionConfig,
    ModelConfig,
    Normalisation,
)
from train.diffusion.denoiser import (
    AxialAttention,
    ChannelNorm,
    Denoiser,
    DepthwiseConv,
    group_norm,
    time_embeddings,
)
from train.model.network import GaitNetwork

CHANNELS = 16


def denoiser(config: DiffusionConfig | None = None) -> Denoiser:
    """A small one whose last layer is not zero, as it is at the start of training."""
    torch.manual_seed(0)
    network = Denoiser(CHANNELS, config or DiffusionConfig())
    torch.nn.init.normal_(network.predict.weight)
    return network


def inputs(n: int = 3, h: int = 8, w: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    z_t = torch.randn(n, CHANNELS, h, w, generator=generator)
    t = torch.randint(1, 101, (n,), generator=generator)
    return z_t, t, torch.randn(n, CHANNELS, generator=generator)


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameters_at_full_size() -> None:
    light = parameters(Denoiser(512, DiffusionConfig()))
    assert light == 1_869_824
    heavy = parameters(Denoiser(512, DiffusionConfig(denoiser=DenoiserKind.HEAVY)))
    others = parameters(GaitNetwork(ModelConfig(), DiffusionConfig(), 250)) - light
    assert (others + heavy) / (others + light) == pytest.approx(2.6, abs=0.01), "paper Table 7"
    independent = parameters(
        GaitNetwork(ModelConfig(), DiffusionConfig(denoiser=DenoiserKind.INDEPENDENT), 250)
    )
    assert independent / (others + light) == pytest.approx(1.12, abs=0.01), "1.2 in the paper"


def test_a_bottleneck_has_as_many_parameters_and_no_depthwise_convolution() -> None:
    network = Denoiser(512, DiffusionConfig(block=DenoiserBlock.BOTTLENECK))
    assert parameters(network) == 2_042_368
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert {m.groups for m in convolutions} == {1}
    assert [m.kernel_size[0] for m in network.enter.modules() if m in convolutions] == [1, 3, 1]


def test_a_heavy_denoiser_has_no_bottleneck() -> None:
    with pytest.raises(ConfigError, match="heavy denoiser and block bottleneck"):
        DiffusionConfig(denoiser=DenoiserKind.HEAVY, block=DenoiserBlock.BOTTLENECK)


def test_weights_learn_from_frozen_maps_that_lie_channels_last() -> None:
    """torch's own gradient of them ends the process."""
    norm = group_norm(32)
    frozen = torch.randn(2, 32, 4, 4)
    found = [norm(x) for x in (frozen, frozen.to(memory_format=torch.channels_last))]
    torch.testing.assert_close(*found)
    grads = [torch.autograd.grad(x.square().sum(), list(norm.parameters())) for x in found]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_channel_norm_is_of_each_cell_alone(dtype: torch.dtype) -> None:
    norm = ChannelNorm(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 5)
    mean, spread = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    scale, shift = (p.view(1, -1, 1, 1) for p in (norm.weight, norm.bias))
    found = norm(x.to(dtype))
    assert found.dtype == dtype
    near = 1e-5 if dtype is torch.float32 else 0.1
    want = (x - mean) / (spread + norm.eps).sqrt() * scale + shift
    torch.testing.assert_close(found.float(), want, atol=near, rtol=near)


def test_a_translated_denoiser_computes_the_same() -> None:
    config = DiffusionConfig(normalisation=Normalisation.LAYER, block=DenoiserBlock.BOTTLENECK)
    network, given = denoiser(config), inputs()
    want = network(*given)
    network.compile(backend="aot_eager", fullgraph=True)  # one graph, no break; needs no compiler
    torch.testing.assert_close(network(*given), want)


@pytest.mark.parametrize(("h", "w"), [(16, 16), (8, 8), (24, 12), (7, 5), (1, 1)])
def test_any_map_size_works_and_the_bridge_has_half_of_everything(h: int, w: int) -> None:
    z_t, t, prior = inputs(h=h, w=w)
    eps_hat, bridge = denoiser()(z_t, t, prior)
    assert eps_hat.shape == z_t.shape
    assert bridge.shape == (3, CHANNELS // 2, math.ceil(h / 2), math.ceil(w / 2))


def test_time_embeddings_are_sines_and_cosines_of_t() -> None:
    table = time_embeddings(steps=10, width=6)
    for t in range(11):
        rates = [10_000 ** (-i / 3) for i in range(3)]
        expected = [math.sin(t * r) for r in rates] + [math.cos(t * r) for r in rates]
        assert table[t].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("token", [True, False])
def test_channel_bias_is_one_matrix_on_time_token_and_prior(token: bool) -> None:
    network = denoiser(DiffusionConfig(modal_token=token))
    _, t, prior = inputs()
    assert (network.token is not None) == token
    tokens = [] if network.token is None else [network.token]
    for i, bias in enumerate(network.channel_bias(t, prior)):
        condition = torch.cat([network.embeddings[t[i]], *tokens, prior[i]])
        torch.testing.assert_close(bias, network.bias.weight @ condition)


def naive_axial_attention(module: AxialAttention, h: Tensor) -> Tensor:
    """Column by column, head by head, row by row."""
    x, size = module.norm(h), h.shape[1] // module.heads
    mixed = torch.zeros_like(h)
    for n in range(h.shape[0]):
        for column in range(h.shape[3]):
            qkv = module.qkv(x[n, :, :, column].T)
            q, k, v = qkv.split(h.shape[1], dim=1)
            for head in range(module.heads):
                part = slice(head * size, (head + 1) * size)
                for row in range(h.shape[2]):
                    scores = [(q[row, part] @ other[part]) / math.sqrt(size) for other in k]
                    weights = torch.stack(scores).softmax(0)
                    mixed[n, part, row, column] = weights @ v[:, part]
    return module.out(mixed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


def test_axial_attention_is_the_naive_one() -> None:
    torch.manual_seed(0)
    module, h = AxialAttention(8, heads=2), torch.randn(2, 8, 5, 3)
    torch.testing.assert_close(module(h), naive_axial_attention(module, h))


def test_axial_attention_mixes_rows_and_never_columns() -> None:
    torch.manual_seed(0)
    module, h = AxialAttention(8, heads=2), torch.randn(1, 8, 5, 3)
    # The norm before it does mix columns, by its statistics.
    module.norm = torch.nn.Identity()
    other = h.clone()
    other[..., 0, 1] += 1
    changed = (module(other) - module(h)).abs().amax(dim=1)[0] > 1e-6
    assert changed[:, 1].all()
    assert not changed[:, [0, 2]].any()


@pytest.mark.parametrize("attention", [True, False])
def test_the_bridge_is_the_biased_map_plus_attention(attention: bool) -> None:
    network = denoiser(DiffusionConfig(axial_attention=attention))
    z_t, t, prior = inputs()
    skip = network.enter(z_t)
    h = network.before(network.down(skip))
    h = h + network.channel_bias(t, prior).reshape(3, CHANNELS // 2, 1, 1)
    if network.attention is not None:
        h = h + naive_axial_attention(network.attention, h)
    eps_hat, bridge = network(z_t, t, prior)
    torch.testing.assert_close(bridge, h, atol=1e-4, rtol=1e-4)
    up = F.interpolate(network.up(network.after(h)), scale_factor=2.0)
    expected = network.predict(F.silu(network.norm(network.leave(up + skip))))
    torch.testing.assert_close(eps_hat, expected, atol=1e-4, rtol=1e-4)


def test_at_the_start_no_noise_is_predicted() -> None:
    eps_hat, _ = Denoiser(CHANNELS, DiffusionConfig())(*inputs())
    assert eps_hat.eq(0).all()


@pytest.mark.parametrize(("channels", "heads"), [(15, 1), (16, 3), (18, 2)])
def test_widths_that_do_not_divide_are_refused(channels: int, heads: int) -> None:
    message = f"got {channels} latent channels and {heads} attention heads, need .* {2 * heads};"
    with pytest.raises(ConfigError, match=message):
        Denoiser(channels, DiffusionConfig(attention_heads=heads))


@pytest.mark.parametrize(
    ("channels", "groups"), [(512, 32), (256, 32), (128, 16), (64, 8), (8, 1), (6, 1), (304, 16)]
)
def test_norm_groups_have_at_least_eight_channels(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


@pytest.mark.parametrize("changes", [{"denoiser": "heavy"}, {"block": "bottleneck"}])
def test_a_kind_may_be_given_by_its_name(changes: dict[str, str]) -> None:
    named = Denoiser(16, DiffusionConfig().model_copy(update=changes))
    checked = Denoiser(16, DiffusionConfig.model_validate(changes))
    assert [w.shape for w in named.parameters()] == [w.shape for w in checked.parameters()]


def test_norms_and_depthwise_convolutions_narrow_nothing() -> None:
    """On a processor they widen bfloat16, and float64 stays what it is."""
    torch.manual_seed(0)
    norm, convolution = group_norm(16).double(), DepthwiseConv(16).double()
    x = 1e6 + torch.randn(4, 16, 4, 4, dtype=torch.float64)
    plain = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    torch.testing.assert_close(norm(x), plain, atol=0, rtol=0)
    want = F.conv2d(x, convolution.weight, padding=1, groups=16)
    torch.testing.assert_close(convolution(x), want, atol=0, rtol=1e-14)
    with torch.autocast("cpu", torch.bfloat16):
        assert group_norm(16)(x.bfloat16()).dtype == torch.bfloat16
        assert DepthwiseConv(16)(x.bfloat16()).dtype == torch.bfloat16
