from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gait.modality import Modality
from train.config import DiffusionConfig, ModelConfig
from train.diffusion.trajectory import Noise, draw_noise
from train.losses import Losses
from train.model.network import GaitNetwork

MODEL = ModelConfig(channels=(4, 8, 8, 16), stem_stride=2, parts=8, embedding=8)
N, S, SUBJECTS = 6, 3, 3


def network(model: ModelConfig = MODEL, **diffusion: object) -> GaitNetwork:
    torch.manual_seed(0)
    return GaitNetwork(model, DiffusionConfig.model_validate(diffusion), SUBJECTS)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    silhouettes, range_views = (
        torch.randint(0, 256, (N, S, m.channels, 64, 64), dtype=torch.uint8, generator=generator)
        for m in Modality
    )
    return silhouettes, range_views, torch.arange(SUBJECTS).repeat_interleave(N // SUBJECTS)


def noise(**diffusion: object) -> Noise:
    config = DiffusionConfig.model_validate(diffusion)
    return draw_noise(config, N, MODEL.latent_shape, torch.Generator().manual_seed(0))


def run(net: GaitNetwork, gather: Callable[[Tensor], Tensor] | None = None) -> Losses:
    return net.losses(*batch(), noise(), gather)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_full_size_adds_up() -> None:
    full = GaitNetwork(ModelConfig(), DiffusionConfig(), subjects=250)
    assert parameters(full.silhouette.backbone) == 4_896_960
    assert parameters(full.range_view.backbone) == 4_898_112
    assert parameters(full.silhouette.head) == 512 * 512 + 512
    assert parameters(full.fcs) == 16 * 512 * 256
    assert parameters(full.neck) == 2 * 16 * 256 + 16 * 256 * 250
    assert full.regularizer is not None
    assert parameters(full.regularizer) <= 2_600_000


def test_losses_have_named_terms_and_their_weighted_sum() -> None:
    losses = run(network(lambda1=0.5, lambda2=0.2, lambda3=0.3))
    assert set(losses.terms) == {
        *("ce", "triplet", "p1_identity", "p2_noise", "p2_bridge", "p2_reconstruction"),
        *("p3_noise", "p3_bridge", "p3_reconstruction"),
    }
    weights = {"p1": 0.5, "p2": 0.2, "p3": 0.3}
    expected = sum(weights.get(k[:2], 1) * v.item() for k, v in losses.terms.items())
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)


def test_forward_is_losses() -> None:
    net = network().eval()
    assert torch.equal(net(*batch(), noise()).total, run(net).total)


def test_without_phases_there_is_no_diffusion_parameter_and_nothing_else_changes() -> None:
    base, full = network(phases=()), network()
    assert base.regularizer is None
    kept = {k: v for k, v in full.state_dict().items() if not k.startswith("regularizer.")}
    assert kept.keys() == base.state_dict().keys()
    base.load_state_dict(kept)
    losses, other = run(base), run(full)
    assert set(losses.terms) == {"ce", "triplet"}
    for name, term in losses.terms.items():
        assert torch.equal(term, other.terms[name])


def test_discriminative_output_does_not_depend_on_diffusion_or_neck() -> None:
    net = network().eval()
    silhouettes, range_views, _ = batch()
    before = (
        net.embed(silhouettes, Modality.SILHOUETTE),
        net.embed(range_views, Modality.RANGE_VIEW),
    )
    assert net.regularizer is not None
    for module in (net.regularizer, net.neck):
        for parameter in module.parameters():
            parameter.data.fill_(torch.nan)
    assert torch.equal(net.embed(silhouettes, Modality.SILHOUETTE), before[0])
    assert torch.equal(net.embed(range_views, Modality.RANGE_VIEW), before[1])
    assert before[0].shape == (N, 8, 8)
    assert before[0].dtype == torch.float32


@pytest.mark.parametrize("modality", Modality)
def test_the_encoder_that_ships_is_the_embedding(modality: Modality) -> None:
    net = network().eval()
    frames = batch()[0 if modality is Modality.SILHOUETTE else 1]
    lengths = torch.tensor([1, 2, 3, 3, 2, 1])
    encoder = net.encoder(modality)
    assert torch.equal(encoder(frames, lengths), net.embed(frames, modality, lengths))
    assert set(encoder.state_dict()) == {
        *(f"branch.{k}" for k in net.branch(modality).state_dict()),
        "fcs.weight",
    }


def test_padding_and_scale_are_the_networks_business() -> None:
    net = network().eval()
    silhouettes, _, _ = batch()
    padded = silhouettes.clone()
    padded[:, 2:] = 255
    short = net.embed(silhouettes[:, :2], Modality.SILHOUETTE)
    lengths = torch.full((N,), 2)
    torch.testing.assert_close(net.embed(padded, Modality.SILHOUETTE, lengths), short)
    maps = net.silhouette.backbone(silhouettes[:, 0] / 255)
    one = net.silhouette.features(silhouettes[:, :1])
    torch.testing.assert_close(one, maps)


@pytest.mark.parametrize("term", ["ce", "triplet", "p1_identity", "p2_noise", "p3_reconstruction"])
def test_gradients_of_each_phase_reach_both_backbones(term: str) -> None:
    net = network()
    by_name = dict(net.named_parameters())
    torch.nn.init.normal_(by_name["regularizer.denoisers.0.predict.weight"])
    stems = [by_name[f"{m}.backbone.stem.0.weight"] for m in Modality]
    for gradient in torch.autograd.grad(run(net).terms[term], stems):
        assert gradient.isfinite().all()
        assert gradient.any()


def test_phase_one_goes_through_the_shared_heads() -> None:
    net = network(phases=(1,))
    losses = net.losses(*batch(), noise(phases=(1,)))
    for parameter in (net.fcs.weight, net.neck.weight):
        (gradient,) = torch.autograd.grad(losses.terms["p1_identity"], parameter, retain_graph=True)
        assert gradient.any()


def test_coupled_heads_diffuse_the_discriminative_map() -> None:
    net = network(decoupled_heads=False)
    assert net.regularizer is not None
    seen: list[Tensor] = []
    net.regularizer.register_forward_pre_hook(lambda _, args: seen.extend(args[:2]))
    silhouettes, range_views, _ = batch()
    run(net)
    expected = net.silhouette.head(net.silhouette.features(silhouettes))
    torch.testing.assert_close(seen[0], expected)
    expected = net.range_view.head(net.range_view.features(range_views))
    torch.testing.assert_close(seen[1], expected)


def test_within_modality_triplets_are_an_extra_term() -> None:
    within = MODEL.model_copy(update={"within_modality_triplets": True})
    losses, plain = run(network(within, phases=())), run(network(phases=()))
    extra = losses.terms["triplet_within"]
    assert extra > 0
    torch.testing.assert_close(losses.total, plain.total + extra)


def test_gathered_rows_enter_the_triplets_alone() -> None:
    """Gathering a batch twice gives the triplets of the doubled batch, and leaves the rest."""
    net, calls = network(phases=()), []

    def twice(rows: Tensor) -> Tensor:
        calls.append(rows.shape)
        return torch.cat([rows, rows])

    once, doubled = run(net), run(net, twice)
    assert calls == [(N, 2, 8, 8), (N,)]
    torch.testing.assert_close(doubled.terms["ce"], once.terms["ce"])
    # Each anchor, positive and negative is there twice: the mean over triplets is the same.
    torch.testing.assert_close(doubled.terms["triplet"], once.terms["triplet"])


def test_losses_are_finite_float32_under_bf16_autocast_and_close_to_float32() -> None:
    net = network()
    plain = run(net)
    with torch.autocast("cpu", torch.bfloat16):
        losses = run(net)
    for name, term in losses.terms.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(plain.terms[name].item(), rel=0.1, abs=0.05)
    torch.autograd.backward(losses.total)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_channels_last_gives_the_same_losses() -> None:
    net = network()
    plain = run(net).total
    last = run(net.to(memory_format=torch.channels_last)).total  # type: ignore[call-overload]
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-4)


# Dynamo itself makes an instance of autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_the_step_reads_nothing_back_and_has_static_shapes() -> None:
    """Traced into one graph without a break, which data-dependent code would force."""
    net = network()
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(net.losses, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(*batch(), noise()).total, run(net).total)
    assert len(graphs) == 1


def test_a_pyramid_gives_the_parts_of_all_scales() -> None:
    config = MODEL.model_copy(update={"pyramid": True})
    net = GaitNetwork(config, DiffusionConfig(phases=()), SUBJECTS)
    assert config.strips == (1, 2, 4, 8)
    assert config.embedding_parts == 15
    frames = torch.randint(0, 256, (2, 3, 1, 64, 64), dtype=torch.uint8)
    embeddings = net.eval().embed(frames, Modality.SILHOUETTE)
    assert embeddings.shape == (2, 15, MODEL.embedding)
    whole = net.silhouette.head(net.silhouette.features(frames))
    expected = (whole.mean(dim=(2, 3)) + whole.amax(dim=(2, 3))) @ net.fcs.weight[0]
    torch.testing.assert_close(embeddings[:, 0], expected)


def test_a_modality_may_be_given_by_its_name() -> None:
    net = network()
    for modality in Modality:
        named = net.branch(str(modality.value))  # type: ignore[arg-type]
        assert named is net.branch(modality)
