"""How easily a network tells drawn walkers from recorded ones.

`python -m bench.gait_likeness cmu_walks.tar.gz`; five minutes on one core.

Recorded and drawn walks move the same random bodies, seen by the simulated camera from random
views; a small network learns on silhouettes which is which. It is tested on walks of people it
never saw, and the statistics that walkers are drawn from are measured without those people. An area
under the curve of 0.5 is chance.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from gait.cli import run
from gait.silhouette import align
from train.simulate.bodies.body import RestBody, pose
from train.simulate.bodies.capsules import capsule_basis
from train.simulate.identity import drawn_walker, sample_shape, stylist
from train.simulate.measure_gait import measure
from train.simulate.mocap.stretches import sample
from train.simulate.movement.motion import RATE, Motion
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.sensors.camera import photograph, segment
from train.simulate.sensors.scene import CAMERA_BELOW, VIEWS, lay_path, lower, place

Clips = NDArray[np.float32]
Mover = Callable[[RestBody, np.random.Generator], Motion]

FRAMES = 10
"""The shortest recorded walk has 11."""

PIXELS = 32
DISTANCES = (4.0, 12.0)
FOLDS = 5
EPOCHS = 15
SAME = {"37": "12"}
"""Recorded people who may be one person, kept on one side."""


def main(
    walks: tyro.conf.Positional[Path],
    clips: int = 400,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Prints the area under the curve of each fold for each kind of drawn walkers.

    Args:
        walks: folder or .tar.gz of recorded walks.
        clips: of each class in training; a quarter of them in testing.
        seed: of bodies, walks, views and weights.
        as_json: print JSON.
    """
    torch.set_num_threads(1)
    library = MotionLibrary.open(walks)
    names = sorted({SAME.get(name, name) for name in library.subjects})
    found: dict[str, list[float]] = {"curves": [], "statistics": []}
    for fold in range(FOLDS):
        held = [n for n in library.subjects if SAME.get(n, n) in names[fold::FOLDS]]
        known = tuple(n for n in library.subjects if n not in held)
        rng = np.random.default_rng([seed, fold])
        recorded = [film(recorded_by(library, p), n, rng)
                    for p, n in ((known, clips), (tuple(held), clips // 4))]  # fmt: skip
        statistics = measure(library, known)
        movers: dict[str, Mover] = {
            "curves": lambda body, rng: stylist(body, rng)(1, FRAMES, rng, RATE),
            "statistics": lambda body, rng, of=statistics: drawn_walker(body, rng, of)(
                1, FRAMES, rng, RATE
            ),  # type: ignore[misc]
        }
        for kind, move in movers.items():
            drawn = [film(move, n, rng) for n in (clips, clips // 4)]
            network = learn(recorded[0], drawn[0], seed)
            found[kind].append(area(score(network, recorded[1]), score(network, drawn[1])))
    if as_json:
        print(json.dumps(found))
        return
    for kind, areas in found.items():
        each = " ".join(f"{a:.3f}" for a in areas)
        print(f"{kind:<12}AUC {np.mean(areas):.3f}   folds {each}")


def recorded_by(library: MotionLibrary, people: tuple[str, ...]) -> Mover:
    """Any moment of any walk of any of these people, all people alike."""

    def move(body: RestBody, rng: np.random.Generator) -> Motion:  # noqa: ARG001
        options = library.walks(people[rng.integers(len(people))])
        stretch = options[rng.integers(len(options))]
        start = rng.uniform(0, stretch.seconds - (FRAMES - 1) / RATE)
        return sample(stretch, RATE, FRAMES, start)

    return move


def film(move: Mover, clips: int, rng: np.random.Generator) -> Clips:
    """Silhouettes of random bodies that move so, `(clips, FRAMES, PIXELS, PIXELS)` in 0..1."""
    basis, views = capsule_basis(), list(VIEWS.values())
    found: list[Clips] = []
    while len(found) < clips:
        body = basis.shape(*sample_shape(rng, len(basis.local_changes)))
        motion = move(body, rng)
        view = views[rng.integers(len(views))]
        path = lay_path(view, DISTANCES, speed=motion.speed, frames=FRAMES, rate=RATE, rng=rng)
        points = lower(place(pose(body, motion), path), CAMERA_BELOW)
        masks = align(segment(photograph(points), rng, night=False))
        if len(masks.kept) == FRAMES:
            frames = torch.as_tensor(masks.frames[:, 0], dtype=torch.float32) / 255
            found.append(F.adaptive_avg_pool2d(frames, PIXELS).numpy())
    return np.stack(found)


def learn(recorded: Clips, drawn: Clips, seed: int) -> nn.Module:
    """A small network whose output is high for recorded clips."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(FRAMES, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (PIXELS // 4) ** 2, 1), nn.Flatten(0),
    )  # fmt: skip
    x = torch.as_tensor(np.concatenate([recorded, drawn]))
    y = torch.cat([torch.ones(len(recorded)), torch.zeros(len(drawn))])
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(x)), 64):
            loss = F.binary_cross_entropy_with_logits(network(x[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()


def score(network: nn.Module, clips: Clips) -> NDArray[np.float32]:
    """The network's output for each clip."""
    with torch.no_grad():
        return np.asarray(network(torch.as_tensor(clips)), np.float32)


def area(recorded: NDArray[np.float32], drawn: NDArray[np.float32]) -> float:
    """Probability that a recorded clip scores above a drawn one.

    >>> area(np.float32([2, 3]), np.float32([1, 2.5]))
    0.75
    """
    above = recorded[:, None] > drawn
    return float((above + 0.5 * (recorded[:, None] == drawn)).mean())


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.gait_likeness", description=__doc__))
