"""Range views as sets of points: only what is lit counts, and where it is."""

import pytest
import torch

from gait.errors import ConfigError
from gait.modality import Modality
from tests.unit.test_network import MODEL, SUBJECTS, batch, noise
from train.config import DiffusionConfig, ModelConfig, TrainConfig
from train.model.network import GaitNetwork
from train.model.point_net import POINTS, PointNet

CONFIG = ModelConfig(channels=(4, 6), strides=(2, 2), blocks=(1, 1), stem_stride=4, parts=4)


def picture(points: list[tuple[int, int, float]]) -> torch.Tensor:
    """`(1, 4, 64, 64)`: row, column and red of each point."""
    x = torch.zeros(1, 4, 64, 64)
    for row, column, red in points:
        x[0, :, row, column] = torch.tensor([red, 0.2, 0.9, 1])
    return x


def test_it_is_the_largest_of_what_the_same_layers_make_of_each_point() -> None:
    torch.manual_seed(0)
    net = PointNet(CONFIG)
    points = [(0, 0, 0.5), (11, 33, 0.1), (63, 4, 1.0)]
    places = torch.arange(1, 65) / 32 - 1
    alone = [
        net.layers(torch.tensor([red, 0.2, 0.9, places[row].item(), places[column].item()]))
        for row, column, red in points
    ]
    found = net(picture(points))
    assert found.shape == (1, *CONFIG.latent_shape)
    want = torch.stack(alone).amax(dim=0)
    torch.testing.assert_close(found, want[None, :, None, None].expand_as(found))


def test_what_is_not_lit_does_not_count() -> None:
    torch.manual_seed(0)
    net = PointNet(CONFIG)
    shown = picture([(20, 20, 0.5)])
    more = shown.clone()
    more[0, :3, 40, 40] = 0.7  # a colour, and not lit
    assert torch.equal(net(shown), net(more))
    assert not torch.equal(net(shown), net(picture([(20, 21, 0.5)])))
    assert not torch.equal(net(shown), net(picture([(20, 20, 0.6)])))
    assert not net(picture([])).any()


def test_a_point_and_one_twice_as_far_and_as_bright_are_two_points() -> None:
    """A normalisation alone would divide by the factor."""
    torch.manual_seed(0)
    layers = PointNet(CONFIG).layers
    point = torch.tensor([0.3, 0.0, 0.0, 0.2, -0.1])
    assert (layers(point) - layers(2 * point)).abs().max() > 0.05


def test_of_many_points_some_are_seen_everywhere() -> None:
    """All pixels of a person are candidates; those that are seen lie all over them."""
    net, seen = PointNet(CONFIG), []
    net.layers.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    lit = torch.zeros(1, 4, 64, 64)
    lit[0, 3, 4:60, 16:44] = 1
    net(lit)
    ((points,),) = seen
    assert points.shape == (POINTS, 5)
    places = (32 * (points[:, 3:] + 1)).round().int() - 1  # rows and columns
    assert len(places.unique(dim=0)) == POINTS
    assert ((places >= torch.tensor([4, 16])) & (places < torch.tensor([60, 44]))).all()
    blocks = (places - torch.tensor([4, 16])) // 7  # of 7 × 7 pixels, 8 below 4
    _, counts = blocks.unique(dim=0, return_counts=True)
    assert len(counts) == 32
    assert counts.min() >= 5, "8 on average"


def test_a_network_of_points_learns_and_embeds() -> None:
    torch.manual_seed(0)
    points = MODEL.model_copy(update={"range_input": "points"})
    net = GaitNetwork(points, DiffusionConfig(phases=()), SUBJECTS)
    silhouettes, views, labels = batch()
    total = net.losses(silhouettes, views, labels, noise(phases=())).total
    total.backward()  # type: ignore[no-untyped-call]
    layers = list(net.range_view.backbone.parameters())
    assert len(layers) == 3 * len(MODEL.channels) + 1
    assert all(p.grad is not None and p.grad.any() for p in layers)
    assert net.embed(views, Modality.RANGE_VIEW).isfinite().all()


@pytest.mark.parametrize(
    ("model", "others", "what"),
    [
        ("points", {"rival": {"method": "late_layers"}}, "late_layers and range_input points"),
        ("points", {"model": {"projection": 4, "projection_of": "maps"}}, "projection of maps"),
        ("points", {"augment": {"erased": 0.5}}, "range_input points and augment.erased"),
        ("mask", {"augment": {"erased": 0.5}}, "range_input mask and augment.erased"),
        ("mask", {"rival": {"method": "channel_augmentation"}}, "rival channel_augmentation"),
    ],
)
def test_what_needs_pictures_or_colours_is_refused(
    model: str, others: dict[str, dict[str, object]], what: str
) -> None:
    values = {"diffusion": {"phases": []}, **others}
    values["model"] = {"range_input": model, **others.get("model", {})}
    with pytest.raises(ConfigError, match=what):
        TrainConfig.model_validate(values)
