"""The simulator draws what its version stands for: packs and records are told apart by it."""

from pathlib import Path

import pytest

from gait.sustech1k import find_sequences, load_range_views, load_silhouettes
from train.simulate.config import VERSION, SimulateConfig
from train.simulate.run import simulate

DRAWN = {
    2: {
        "usual": (47.072, 32.800, 128),
        "drawn": (57.068, 33.934, 160),
        "statistics": (47.892, 32.136, 125),
    },
}  # fmt: skip
"""Version → how → mean pixel of silhouettes and of range views over all walks, and their frames."""
WAYS: dict[str, dict[str, object]] = {
    "usual": {},
    "drawn": {"sensors": "drawn", "clothes": "any", "build": "wide", "studio_walks": 1},
    "statistics": {"gait": "statistics"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_version_always_draws_the_same(way: str, tmp_path: Path) -> None:
    options: dict[str, object] = {
        "subjects": 2,
        "conditions": ("nm", "cr-uf", "oc"),
        "views": ("000", "090-near"),
        "frames": 8,
        "body": "capsules",
        "points": False,
    }
    root = simulate(SimulateConfig.model_validate(options | WAYS[way]), tmp_path / way, workers=1)
    walks = find_sequences(root)
    shown = [load(walk) for load in (load_silhouettes, load_range_views) for walk in walks]
    half = len(walks)
    means = [sum(float(x.mean()) for x in some) / half for some in (shown[:half], shown[half:])]
    frames = sum(map(len, shown[:half]))
    print(f'"{way}": ({means[0]:.3f}, {means[1]:.3f}, {frames}),')
    said = "options now give other pictures: raise VERSION, and put what it draws in here"
    # Another processor rounds otherwise, and lights a few pixels more or less.
    assert (*means, frames) == pytest.approx(DRAWN[VERSION][way], rel=2e-3), said
