"""What the diffusion branch costs on another network: `python -m bench.training.plug_in`.

The network has the shape of those that find people by visible and infrared pictures, such as DEEN
and IDKL: a ResNet-50 whose first layers are each kind's own and whose last stage keeps its size, a
triplet loss, and a batch norm before the classifier. Maps of its last two stages are compared. It
has random weights and sees noise: what the branch is worth there was not measured.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench.measuring.clock import seconds
from gait.cli import run
from gait.errors import ConfigError
from gallery.command_line.table import table
from train.config import DenoiserKind, DiffusionConfig
from train.diffusion.several_maps import Pair, SeveralRegularizers

BRANCHES = {
    "latents as wide as the maps": DiffusionConfig(),
    "latent_channels 256": DiffusionConfig(latent_channels=256),
    "256, no denoiser": DiffusionConfig(latent_channels=256, denoiser=DenoiserKind.NONE),
}
ALONE = "network alone"


def _convolution(inside: int, outside: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False), nn.BatchNorm2d(outside)
    )


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 around a shortcut (He et al., 2016)."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = 4 * width
        self.layers = nn.Sequential(
            _convolution(inside, width, 1), nn.ReLU(), _convolution(width, width, 3, stride),
            nn.ReLU(), _convolution(width, outside, 1),
        )  # fmt: skip
        changes = inside != outside or stride > 1
        self.shortcut = _convolution(inside, outside, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x))


class TwoStreams(nn.Module):
    """A ResNet-50 for visible and infrared pictures `(n, 3, h, w)` of the same people.

    Args:
        people: classes.
        width: of the first stage; 64 is ResNet-50.
    """

    def __init__(self, people: int, width: int = 64) -> None:
        super().__init__()
        self.visible, self.infrared = (
            nn.Sequential(_convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
            for _ in range(2)
        )
        stages, inside = list[nn.Module](), width
        for number, (blocks, stride) in enumerate(((3, 1), (4, 2), (6, 2), (3, 1))):
            own = width << number
            each = [Bottleneck(inside, own, stride)]
            each += [Bottleneck(4 * own, own, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*each))
            inside = 4 * own
        self.early, self.third, self.fourth = nn.Sequential(*stages[:2]), stages[2], stages[3]
        self.neck, self.classify = nn.BatchNorm1d(inside), nn.Linear(inside, people, bias=False)

    def forward(self, visible: Tensor, infrared: Tensor) -> list[Pair]:
        """The maps of the last two stages, of both kinds of pictures."""
        third = self.third(self.early(torch.cat([self.visible(visible), self.infrared(infrared)])))
        return [cast(Pair, maps.chunk(2)) for maps in (third, self.fourth(third))]

    def loss(self, pair: Pair, labels: Tensor) -> Tensor:
        """Triplets of the hardest positive and negative, and cross-entropy after the batch norm."""
        pooled, both = torch.cat(pair).mean(dim=(2, 3)), labels.repeat(2)
        apart, same = torch.cdist(pooled, pooled), both[:, None] == both
        farthest = apart.masked_fill(~same, 0).amax(1)
        nearest = apart.masked_fill(same, torch.inf).amin(1)
        triplets = F.relu(farthest - nearest + 0.3).mean()
        return triplets + F.cross_entropy(self.classify(self.neck(pooled)), both)


class Estimates(nn.Module):
    """The identity loss of estimated latents, by a batch norm and classifier of their own."""

    def __init__(self, channels: int, people: int, labels: Tensor) -> None:
        super().__init__()
        self.neck, self.classify = nn.BatchNorm1d(channels), nn.Linear(channels, people)
        self.register_buffer("labels", labels.repeat(2), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        pooled = torch.cat([first, second]).mean(dim=(2, 3))
        return F.cross_entropy(self.classify(self.neck(pooled)), cast(Tensor, self.labels))


class Step:
    """A training step of the network, with a branch or without.

    Args:
        config: of the branch; None for none.
        pairs: in a batch, two of each person.
        size: height and width of the pictures.
        width: of the network.
    """

    def __init__(
        self, config: DiffusionConfig | None, pairs: int, size: tuple[int, int], width: int
    ) -> None:
        torch.manual_seed(0)
        self.labels, people = torch.arange(pairs) // 2, (pairs + 1) // 2
        self.pictures = torch.rand(2, pairs, 3, *size)
        self.network, self.random = TwoStreams(people, width), torch.Generator().manual_seed(0)
        self.branch: SeveralRegularizers | None = None
        self.estimates = nn.ModuleList()
        if config is not None:
            with torch.no_grad():
                shapes = [
                    tuple(first.shape[1:]) for first, _ in self.network(*self.pictures[:, :2])
                ]
            self.branch = SeveralRegularizers(cast(Sequence[tuple[int, int, int]], shapes), config)
            self.estimates += [Estimates(c, people, self.labels) for c, _, _ in self.branch.shapes]
        modules = [self.network, self.estimates, *([self.branch] if self.branch else [])]
        self.parameters = [p for module in modules for p in module.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, lr=1e-4)

    def loss(self) -> Tensor:
        """Of the network, and of the branch."""
        maps = self.network(*self.pictures)
        own = self.network.loss(maps[-1], self.labels)
        if self.branch is None:
            return own
        noise = self.branch.draw(len(self.labels), self.random)
        return own + cast(Tensor, self.branch(maps, noise, list(self.estimates)).total)

    def __call__(self) -> float:
        """Trains one step; its loss."""
        self.optimiser.zero_grad()
        loss = self.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.item()


@dataclass(frozen=True)
class PlugInCost:
    """What a step costs.

    Args:
        name: network alone, or which branch.
        parameters: trained, of all of it.
        gflop: of the forward pass of a pair of pictures, two for each multiply-add.
        seconds: of a step, the median over turns.
        times: as long as without a branch, likewise.
    """

    name: str
    parameters: int
    gflop: float
    seconds: float
    times: float


def measure(pairs: int, size: tuple[int, int], width: int, turns: int) -> list[PlugInCost]:
    """All branches by turns. Arguments as of `main`."""
    steps = {ALONE: Step(None, pairs, size, width)}
    steps |= {name: Step(config, pairs, size, width) for name, config in BRANCHES.items()}
    gflop = dict[str, float]()
    for name, step in steps.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            step.loss()
        gflop[name] = counter.get_total_flops() / pairs / 1e9
        step()  # memory is there from here on
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(turns):
        for name, step in steps.items():
            taken[name].append(seconds(step))
    return [
        PlugInCost(
            name,
            sum(p.numel() for p in step.parameters),
            gflop[name],
            statistics.median(taken[name]),
            statistics.median(a / b for a, b in zip(taken[name], taken[ALONE], strict=True)),
        )
        for name, step in steps.items()
    ]


def main(
    pairs: int = 4, height: int = 384, width: int = 192, turns: int = 5, threads: int | None = None
) -> None:
    """Prints what each branch costs.

    Args:
        pairs: of pictures in a batch, two of each person.
        height, width: of the pictures.
        turns: timed steps of each.
        threads: of torch; its own number if not given.

    Raises:
        ConfigError: fewer than four pairs, which triplets need, or no turn.
    """
    if pairs < 4 or turns < 1:
        raise ConfigError(f"got {pairs} pairs and {turns} turns, need at least 4 and 1")
    if threads is not None:
        torch.set_num_threads(threads)
    head = ("", "parameters, M", "GFLOP a pair, forward", "s a step", "× alone")
    rows = [
        (
            r.name,
            f"{r.parameters / 1e6:.1f}",
            f"{r.gflop:.1f}",
            f"{r.seconds:.2f}",
            f"{r.times:.2f}",
        )
        for r in measure(pairs, (height, width), 64, turns)
    ]
    print(table(head, rows))


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.training.plug_in", description=__doc__))
