"""Rivals: their losses against plain loops, what they reach, and that nothing of them ships."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn import functional as F

from gait.errors import ConfigError
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from tests.unit.test_network import MODEL, SUBJECTS, batch, noise
from train.augment.draws import Draws
from train.augment.erased import channel_augmented, erased, single_channels
from train.checkpoint import load_network
from train.config import DiffusionConfig, ModelConfig, RivalConfig, RivalMethod, TrainConfig
from train.data.batches import MappedFrames, TrainBatch, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.data.split import split_people
from train.loop.learner import Learner, Machine
from train.loop.training_run import TrainingRun
from train.losses import Losses
from train.machine.distributed import Ranks
from train.model.network import GaitNetwork
from train.rivals.channel_augmentation import SHARE, ChannelAugmentation, squared_difference
from train.rivals.implicit_knowledge import SPECIAL, aligned
from train.rivals.info_nce import contrast
from train.rivals.relations import TEMPERATURE, both_ways, divergence, relations
from train.rivals.rival import Seen
from train.rivals.semantic_parts import APART, NEAR, centre_separation, sameness
from train.rivals.shared_attention import SharedAttention
from train.rivals.two_stage_distillation import taught

OWN = {
    RivalMethod.SHARED_BACKBONE: set[str](),
    RivalMethod.LATE_LAYERS: set[str](),
    RivalMethod.INFO_NCE: {"contrast"},
    RivalMethod.SHARED_ATTENTION: {"shared_ce", "shared_triplet"},
    RivalMethod.CHANNEL_AUGMENTATION: {"squared_difference"},
    RivalMethod.SEMANTIC_PARTS: {"parts_ce", "parts_centre", "parts_spread"},
    RivalMethod.IMPLICIT_KNOWLEDGE: {"special_ce", "graph", "classes"},
    RivalMethod.TWO_STAGE_DISTILLATION: {
        *("teacher_ce", "teacher_triplet", "taught_classes", "taught_relations")
    },
}
"""The losses of each."""
LEARNED = [method for method, terms in OWN.items() if terms]
CPU = torch.device("cpu")
NONE = DiffusionConfig(phases=())


def network(
    method: RivalMethod | None, weight: float = 1.0, model: ModelConfig = MODEL
) -> GaitNetwork:
    torch.manual_seed(0)
    return GaitNetwork(model, NONE, SUBJECTS, RivalConfig(method=method, weight=weight))


def run(net: GaitNetwork, progress: float = 1.0) -> Losses:
    if net.rival is not None:
        net.rival.at(progress)
    return net.losses(*batch(), noise(phases=()))


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", RivalMethod)
def test_a_rivals_losses_stand_beside_those_of_the_base(method: RivalMethod) -> None:
    losses = run(network(method, weight=0.5))
    assert losses.terms.keys() == {"ce", "triplet", *OWN[method]}
    weights = {name: 0.5 if name in OWN[method] else 1.0 for name in losses.terms}
    expected = sum(weights[name] * term.item() for name, term in losses.terms.items())
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", LEARNED)
def test_the_network_that_ships_is_the_bases(method: RivalMethod) -> None:
    base, net = network(None), network(method)
    own = {name for name in net.state_dict() if name.startswith("rival.")}
    assert net.state_dict().keys() - own == base.state_dict().keys()
    for name, weight in base.state_dict().items():
        assert torch.equal(net.state_dict()[name], weight), name
    for name, term in run(base).terms.items():
        assert torch.equal(run(network(method)).terms[name], term)


@pytest.mark.parametrize(
    ("method", "term"), [(method, term) for method in LEARNED for term in sorted(OWN[method])]
)
def test_every_loss_reaches_both_branches(method: RivalMethod, term: str) -> None:
    net = network(method)
    losses = run(net, progress=0.1 if term.startswith("teacher") else 1.0)
    stems = [net.get_parameter(f"{modality}.backbone.stem.0.weight") for modality in Modality]
    for gradient in torch.autograd.grad(losses.terms[term], stems):
        assert gradient.isfinite().all()
        assert gradient.any()


@pytest.mark.parametrize("method", RivalMethod)
def test_a_step_is_finite_under_bf16_autocast(method: RivalMethod) -> None:
    net = network(method)
    with torch.autocast("cpu", torch.bfloat16):
        losses = run(net)
    assert all(term.dtype == torch.float32 for term in losses.terms.values())
    torch.autograd.backward(losses.total)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("method", RivalMethod)
def test_a_step_reads_nothing_back(method: RivalMethod) -> None:
    """Tensors without values can be neither read nor chosen from by what they hold."""
    net = network(method)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        silhouettes, range_views, labels = (mode.from_tensor(x) for x in batch())
        losses = net.losses(silhouettes, range_views, labels, noise(phases=()))
        assert losses.total.shape == ()
        with pytest.raises(DataDependentOutputException):
            losses.total.item()


def test_a_contrast_is_that_of_pairs_among_other_people() -> None:
    logits, labels = random(6, 6), [0, 0, 1, 1, 2, 2]
    found = []
    for i in range(6):
        rivals = [j for j in range(6) if j == i or labels[j] != labels[i]]
        both = logits[i], logits[:, i]
        found += [-(row[i].exp() / row[rivals].exp().sum()).log() for row in both]
    expected = torch.stack(found).mean()
    torch.testing.assert_close(contrast(logits, torch.tensor(labels)), expected)
    assert contrast(100 * torch.eye(6), torch.tensor(labels)) == 0


def test_squared_differences_are_of_weighted_distances() -> None:
    distances, labels = random(2, 4, 4).abs(), [0, 0, 1, 1]
    same = torch.tensor(labels)[:, None] == torch.tensor(labels)
    found = []
    for part, i in np.ndindex(2, 4):
        row = distances[part, i]
        own = [j for j in range(4) if labels[j] == labels[i]]
        others = [j for j in range(4) if labels[j] != labels[i]]
        far = sum(row[own].exp() * row[own]) / row[own].exp().sum()
        near = sum((-row[others]).exp() * row[others]) / (-row[others]).exp().sum()
        found.append(torch.log(1 + torch.exp((far - near).sign() * (far - near) ** 2)))
    torch.testing.assert_close(squared_difference(distances, same), torch.stack(found).mean())
    assert squared_difference(20.0 * ~same[None], same) == 0
    far = (20.0 * same[None]).requires_grad_()
    assert squared_difference(far, same) == 88, "their square would be 400"
    assert not torch.autograd.grad(squared_difference(far, same), far)[0].any()


def test_squared_differences_go_on_falling_with_the_distance_of_people() -> None:
    """By unit vectors they stayed at log 2, and the method was its changed pictures alone."""
    unused, labels = torch.zeros(()), torch.tensor([0, 0, 1, 1])
    people = torch.eye(2)[labels][:, None].expand(2, 4, 1, 2)  # √2 apart
    for length in (1, 4):
        found = ChannelAugmentation()(Seen(unused, length * people, unused, labels))
        expected = math.log1p(math.exp(-2 * length**2))
        assert float(found["squared_difference"]) == pytest.approx(expected, rel=1e-5)


def test_centres_draw_and_push() -> None:
    units, labels = F.normalize(random(6, 3, 4), dim=2), torch.tensor([0, 0, 1, 1, 2, 2])
    whole = units.flatten(1) / 3**0.5
    centres = {i: whole[labels == i].mean(dim=0) for i in range(3)}
    pull = [(whole[i] - centres[int(labels[i])]).norm() - NEAR for i in range(6)]
    push = [APART - (centres[i] - centres[j]).norm() for i, j in np.ndindex(3, 3) if i != j]
    expected = sum(F.relu(x) for x in pull) / 6 + sum(F.relu(x) for x in push) / 6
    torch.testing.assert_close(centre_separation(units, labels), torch.as_tensor(expected))
    apart = torch.eye(3).repeat_interleave(2, dim=0)[:, None]
    assert centre_separation(apart, labels) == 0


def test_parts_are_the_same_by_hand() -> None:
    masks = torch.tensor([[[1.0, 0, 0, 0], [0, 0, 0, 0]]])
    assert sameness(masks) == pytest.approx(1 - 0.5)  # one of four cells differs: √(1/4)
    assert sameness(masks[:, [0, 0]]) == 1
    assert sameness(torch.stack([torch.ones(1, 4), torch.zeros(1, 4)], dim=1)) == 0


def test_relations_are_shares_of_likeness() -> None:
    embeddings = random(4, 2, 3)
    for i in range(4):
        others = [j for j in range(4) if j != i]
        alike = [
            F.cosine_similarity(embeddings[i], embeddings[j], dim=1).mean() / TEMPERATURE
            for j in others
        ]
        expected = torch.stack(alike).log_softmax(dim=0)
        torch.testing.assert_close(relations(embeddings)[i], expected)
    one, two = relations(embeddings), relations(random(8, 2, 3)[4:])
    found = [(q.exp() * (q - p)).sum() for p, q in zip(one, two, strict=True)]
    torch.testing.assert_close(divergence(one, two), torch.stack(found).mean())
    assert both_ways(one, one) == 0
    assert both_ways(one, two) > 0


def test_alignment_and_teaching_are_nothing_between_equals() -> None:
    shares = random(2, 4, 3).log_softmax(dim=-1)
    same = shares[:1].expand(2, -1, -1)
    assert aligned(same, same) == 0
    expected = both_ways(*shares) + SPECIAL * both_ways(shares[0], shares[1])
    torch.testing.assert_close(aligned(shares, shares[:1].expand(2, -1, -1)), expected)
    assert taught(same, shares[0]) == 0
    torch.testing.assert_close(taught(shares, shares[0]), divergence(shares[1], shares[0]) / 2)


def test_a_teacher_teaches_in_the_second_stage_alone() -> None:
    net = network(RivalMethod.TWO_STAGE_DISTILLATION)
    first, second = run(net, 0.5).terms, run(net, 0.51).terms
    for name in ("taught_classes", "taught_relations"):
        assert first[name] == 0
        assert second[name] > 0
    stem = net.get_parameter("silhouette.backbone.stem.0.weight")
    (gradient,) = torch.autograd.grad(second["teacher_ce"], stem)
    assert not gradient.any(), "the network learns from the teacher's own loss no more"


def test_prototypes_gather_by_attention() -> None:
    rival = SharedAttention(MODEL, SUBJECTS, prototypes=3)
    maps = random(2, 16, 4, 2)
    got = rival.gathered(maps)
    for n, k in np.ndindex(2, 3):
        cells = [maps[n, :, y, x] for y, x in np.ndindex(4, 2)]
        scores = [rival.prototypes[k] @ rival.key(cell) / 4 for cell in cells]
        shares = torch.stack(scores).softmax(dim=0)
        expected = sum(share * rival.value(c) for share, c in zip(shares, cells, strict=True))
        torch.testing.assert_close(got[n, k], expected)


def numbers(parameters: Iterable[Tensor]) -> int:
    return sum(p.numel() for p in parameters)


def test_one_backbone_is_one_network() -> None:
    net = network(RivalMethod.SHARED_BACKBONE)
    assert net.silhouette.backbone.stem is net.range_view.backbone.stem
    once = numbers(net.range_view.parameters())
    assert once == numbers([*net.silhouette.parameters(), *net.range_view.parameters()]) - once
    assert numbers(net.parameters()) == once + numbers(net.fcs.parameters()) + numbers(
        net.neck.parameters()
    )
    frames = batch()[0]
    net.eval()
    alike = net.embed(frames.expand(-1, -1, 3, -1, -1), Modality.RANGE_VIEW)
    assert torch.equal(net.embed(frames, Modality.SILHOUETTE), alike)


def test_first_layers_of_late_sharing_are_a_modalitys_own() -> None:
    net = network(RivalMethod.LATE_LAYERS)
    one, two = net.silhouette.resnet, net.range_view.resnet
    assert one.stem is not two.stem
    assert [a is b for a, b in zip(one.stages, two.stages, strict=True)] == [
        *(False, True, True, True)
    ]
    silhouettes, range_views, _ = batch()
    net.eval()
    joint = net.features(silhouettes, range_views)
    alone = net.silhouette.features(silhouettes), net.range_view.features(range_views)
    torch.testing.assert_close(joint, alone)


@pytest.mark.parametrize(("own", "method"), [(0, "shared_backbone"), (2, "late_layers")])
def test_layers_can_be_shared_beside_any_method(own: int, method: str) -> None:
    shared = MODEL.model_copy(update={"own_layers": own})
    net, named = network(None, model=shared), network(RivalMethod(method))
    assert run(net).total == run(named).total
    for other in (RivalMethod.INFO_NCE, RivalMethod.SEMANTIC_PARTS):
        assert run(network(other, model=shared)).terms.keys() == {"ce", "triplet", *OWN[other]}
    torch.manual_seed(0)
    whole = GaitNetwork(shared, DiffusionConfig(), SUBJECTS)
    losses = whole.losses(*batch(), noise())
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert {"p1_identity", "p3_reconstruction"} <= losses.terms.keys()
    assert whole.silhouette.resnet.stages[-1] is whole.range_view.resnet.stages[-1]
    assert (whole.silhouette.resnet.stem is whole.range_view.resnet.stem) == (own == 0)


def test_shared_layers_are_said_once() -> None:
    values = {
        "model": {"own_layers": 0},
        "diffusion": {"phases": []},
        "rival": {"method": "late_layers"},
    }
    with pytest.raises(ConfigError, match="late_layers and own_layers 0, need one of the two"):
        TrainConfig.model_validate(values)


def test_no_more_layers_are_ones_own_than_there_are() -> None:
    values = MODEL.model_dump()
    assert ModelConfig.model_validate({**values, "own_layers": 5}).own_layers == 5
    with pytest.raises(ConfigError, match="got own_layers 6, need at most the 5 there are"):
        ModelConfig.model_validate({**values, "own_layers": 6})


def test_the_head_is_shared_even_where_all_layers_are_ones_own() -> None:
    """As the help says: the rows that were trained mean it so."""
    all_own = network(None, model=MODEL.model_copy(update={"own_layers": 5}))
    assert all_own.silhouette.head is all_own.range_view.head
    assert all_own.silhouette.resnet.stages[-1] is not all_own.range_view.resnet.stages[-1]
    apart = network(None)
    assert apart.silhouette.head is not apart.range_view.head
    said = " ".join((ModelConfig.model_fields["own_layers"].description or "").split())
    assert "always the 1×1 head" in said


def test_one_sensor_shares_nothing() -> None:
    with pytest.raises(ConfigError, match="own_layers 0, need pictures of both"):
        ModelConfig(own_layers=0, modalities=(Modality.SILHOUETTE,))


def test_shared_layers_learn_statistics_of_both_modalities_at_once() -> None:
    net = network(RivalMethod.LATE_LAYERS)
    seen: list[int] = []
    for layer in (net.silhouette.resnet.stages[0], net.silhouette.resnet.stages[1]):
        layer.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    clips, frames = batch()[0].shape[:2]
    run(net)
    assert seen == [clips * frames, 2 * clips * frames]


def test_a_mask_is_what_is_lit() -> None:
    net = network(None, model=MODEL.model_copy(update={"range_input": "mask"})).eval()
    assert net.range_view.resnet.stem[0].in_channels == 1
    views = batch()[1] * (batch()[1] > 220) + 63 * (batch()[1] <= 220)
    lit = (views.amax(dim=2, keepdim=True) > 63).expand(-1, -1, 3, -1, -1)
    white = 255 * lit.to(torch.uint8)
    assert not torch.equal(views, white)
    embedded = [net.embed(x, Modality.RANGE_VIEW) for x in (views, white, views * 0)]
    assert torch.equal(embedded[0], embedded[1])
    assert not torch.equal(embedded[0], embedded[2])
    pixels = net.range_view.pixels(views.flatten(0, 1))
    assert torch.equal(pixels[:, 0], lit.flatten(0, 1)[:, 0].float())


def draws(clips: int, ranks: Ranks = Ranks()) -> Draws:  # noqa: B008
    return Draws((0, 1, 2), clips, 2, CPU, ranks)


def test_half_of_the_range_views_show_one_channel() -> None:
    clips = torch.randint(0, 256, (400, 2, 3, 4, 4), dtype=torch.uint8)
    changed = single_channels(clips, SHARE, draws(400))
    grey = (changed == changed[:, :, :1]).all(dim=(1, 2, 3, 4))
    assert torch.equal(changed[~grey], clips[~grey])
    assert 0.35 < grey.float().mean() < 0.65  # fails by chance once in 10⁹ runs
    of = [(changed[grey] == clips[grey][:, :, c : c + 1]).all(dim=(1, 2, 3, 4)) for c in range(3)]
    shares = [x.float().mean().item() for x in of]
    assert all(0.1 < share < 0.4 for share in shares)
    assert 0.1 < 1 - sum(shares) < 0.4, "their grey"


def test_half_of_the_clips_lose_a_rectangle() -> None:
    clips = torch.full((200, 2, 1, 64, 64), 255, dtype=torch.uint8)
    lost = (erased(clips, SHARE, draws(200)) == 0).squeeze(2)
    assert torch.equal(lost[:, 0], lost[:, 1]), "the same in every frame"
    area = lost[:, 0].float().mean(dim=(1, 2))
    assert 0.35 < (area > 0).float().mean() < 0.65
    assert area.max() < 0.45
    rows, columns = lost[:, 0].any(dim=2), lost[:, 0].any(dim=1)
    assert torch.equal(lost[:, 0], rows[:, :, None] & columns[:, None, :])


def test_pictures_change_by_seed_and_iteration_alone_on_any_number_of_ranks() -> None:
    frames = torch.randint(1, 256, (8, 2, 4, 64, 64), dtype=torch.uint8)
    given = TrainBatch(frames[:, :, :1], frames[:, :, 1:], torch.arange(8))
    whole = channel_augmented(given, SHARE, 0, 1, Ranks())
    for rank in range(2):
        part = TrainBatch(*(x[4 * rank : 4 * rank + 4] for x in given))
        mine = channel_augmented(part, SHARE, 0, 1, Ranks(rank, 2))
        for one, two in zip(mine, whole, strict=True):
            assert torch.equal(one, two[4 * rank : 4 * rank + 4])
    assert not torch.equal(channel_augmented(given, SHARE, 0, 2, Ranks())[1], whole[1])
    assert not torch.equal(channel_augmented(given, SHARE, 1, 1, Ranks())[1], whole[1])


def train(learner: Learner, pack: Pack, first: int, last: int) -> None:
    lengths = [record.length for record in pack.records]
    sampler = PKSampler([record.subject for record in pack.records], lengths, 2, 2, 3)
    frames = MappedFrames(pack, pack.records)
    stream = batches(frames, sampler, Ranks(), CPU, first, last)
    for iteration, given in enumerate(stream, first):
        learner.step(iteration, given)


@pytest.mark.parametrize("method", RivalMethod)
def test_a_resumed_run_is_the_same_to_the_bit(method: RivalMethod, tmp_path: Path) -> None:
    config = tiny_config(
        rival={"method": method}, diffusion={"phases": ()}, optim={"iterations": 6}
    )
    pack = Pack.open(write_pack(tmp_path / "pack", train=3, test=0))
    whole, stopped, resumed = (
        Learner(config, ["0000", "0001", "0002"], Machine(CPU)) for _ in range(3)
    )
    train(whole, pack, 1, 6)
    train(stopped, pack, 1, 4)
    resumed.restore(stopped.checkpoint(4, True, None))
    train(resumed, pack, 5, 6)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight), name


def test_a_rival_is_told_how_far_the_run_is(tmp_path: Path) -> None:
    config = tiny_config(
        rival={"method": "two_stage_distillation"},
        diffusion={"phases": ()},
        optim={"iterations": 6},
    )
    pack = Pack.open(write_pack(tmp_path / "pack", train=3, test=0))
    learner = Learner(config, ["0000", "0001", "0002"], Machine(CPU))
    assert learner.network.rival is not None
    stages = []
    for iteration in (3, 4):
        train(learner, pack, iteration, iteration)
        stages.append(float(learner.network.rival.get_buffer("first")))
    assert stages == [1, 0]


@pytest.mark.parametrize(
    ("method", "share", "wanted"),
    [("channel_augmentation", 0.0, 0.5), ("info_nce", 0.0, 0.0), ("info_nce", 0.25, 0.25)],
)
def test_a_run_changes_the_pictures_of_channel_augmentation_and_where_it_is_said(
    method: str, share: float, wanted: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[tuple[float, int]] = []

    def watched(
        batch: TrainBatch, share: float, seed: int, iteration: int, ranks: Ranks
    ) -> TrainBatch:
        found = channel_augmented(batch, share, seed, iteration, ranks)
        assert (found is batch) == (not share)
        changed.append((share, iteration))
        return found

    monkeypatch.setattr("train.loop.training_run.channel_augmented", watched)
    config = tiny_config(
        rival={"method": method},
        augment={"erased": share},
        diffusion={"phases": ()},
        optim={"iterations": 3},
    )
    pack = Pack.open(write_pack(tmp_path / "pack"))
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path / "run", Machine(CPU)).run()
    assert changed == [(wanted, iteration) for iteration in (1, 2, 3)]
    assert load_network(tmp_path / "run" / "last.pt", CPU).rival is not None


def test_two_shares_of_changed_pictures_are_refused_but_gone_on_with(tmp_path: Path) -> None:
    """What `augment.erased` says would not be done; runs of before this was asked go on."""
    pack = Pack.open(write_pack(tmp_path / "pack"))
    config = tiny_config(
        rival={"method": "channel_augmentation"},
        augment={"erased": 0.2},
        diffusion={"phases": ()},
    )
    split = split_people(pack.records, config)
    with pytest.raises(ConfigError, match=r"augment.erased 0.2, need one of the two: the rival"):
        TrainingRun(config, pack, split, tmp_path / "run", Machine(CPU))
    old = Learner(config, split.classes, Machine(CPU)).checkpoint(19, simulated=True, best=None)
    TrainingRun(config, pack, split, tmp_path / "run", Machine(CPU), old).run()


def test_changed_pictures_are_those_of_channel_augmentation_without_its_loss(
    tmp_path: Path,
) -> None:
    """So the records of the row `pictures-changed` are of `augment.erased 0.5`."""
    pack = Pack.open(write_pack(tmp_path / "pack"))
    found = []
    for name, changes in (
        ("rival", {"rival": {"method": "channel_augmentation", "weight": 0.0}}),
        ("erased", {"augment": {"erased": 0.5}}),
    ):
        config = tiny_config(diffusion={"phases": ()}, optim={"iterations": 3}, **changes)
        split = split_people(pack.records, config)
        TrainingRun(config, pack, split, tmp_path / name, Machine(CPU)).run()
        found.append(load_network(tmp_path / name / "last.pt", CPU).state_dict())
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("modality", ["silhouette", "range_view"])
def test_pictures_of_one_sensor_alone_are_changed(modality: str, tmp_path: Path) -> None:
    config = tiny_config(
        model={"modalities": [modality]},
        augment={"erased": 0.5},
        diffusion={"phases": ()},
        optim={"iterations": 2},
    )
    pack = Pack.open(write_pack(tmp_path / "pack", modalities=[Modality(modality)]))
    split = split_people(pack.records, config)
    TrainingRun(config, pack, split, tmp_path / "run", Machine(CPU)).run()
    assert (tmp_path / "run" / "last.pt").is_file()


def test_a_rival_takes_the_place_of_the_branch() -> None:
    with pytest.raises(ConfigError, match="need one of the two"):
        tiny_config(rival={"method": "info_nce"})
    with pytest.raises(ConfigError, match="silhouette alone, need both"):
        tiny_config(
            rival={"method": "info_nce"},
            diffusion={"phases": ()},
            model={"modalities": ["silhouette"]},
        )
