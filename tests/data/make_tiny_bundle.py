"""Makes `tests/data/tiny_bundle`: the whole export on a small network with random weights.

python -m tests.data.make_tiny_bundle
"""

import tempfile
from pathlib import Path

import torch

from export.bundle import export_bundle
from gait.cli import run
from train.checkpoint import Checkpoint, save_checkpoint
from train.config import ModelConfig, TrainConfig
from train.model.network import GaitNetwork

CONFIG = TrainConfig(name="tiny", model=ModelConfig(channels=(4, 8, 8, 16), embedding=16))
CLASSES = ["0000", "0001", "0002"]


def save_tiny_checkpoint(path: Path, seed: int = 0, config: TrainConfig = CONFIG) -> None:
    """Writes a checkpoint of a small network that was never trained."""
    torch.manual_seed(seed)
    network = GaitNetwork(config.model, config.diffusion, len(CLASSES))
    weights = network.state_dict()
    save_checkpoint(path, Checkpoint(config, weights, CLASSES, iteration=0, simulated=True))


def main() -> None:
    """Writes the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "tiny.pt"
        save_tiny_checkpoint(checkpoint)
        export_bundle(checkpoint, Path(__file__).parent / "tiny_bundle")


if __name__ == "__main__":
    run(main)
