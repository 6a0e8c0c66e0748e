"""Makes the bundles of the tests: the whole export on a small network with random weights.

`tiny_bundle` has fp32 alone, `tiny_variants` all three; their contract is the same.

python -m tests.data.make_tiny_bundle
"""

import tempfile
from pathlib import Path

import torch

from export.bundle import Order, export_bundle
from gait.cli import run
from gait.variant import Variant
from tests.packs import write_pack
from train.checkpoint import Checkpoint, save_checkpoint
from train.config import ModelConfig, TrainConfig
from train.model.network import GaitNetwork

CONFIG = TrainConfig(name="tiny", model=ModelConfig(channels=(4, 8, 8, 16), embedding=16))
CLASSES = ["0000", "0001", "0002"]


def save_tiny_checkpoint(path: Path, seed: int = 0, config: TrainConfig = CONFIG) -> None:
    """Writes a checkpoint of a small network that was never trained."""
    torch.manual_seed(seed)
    network = GaitNetwork(config.model, config.diffusion, len(CLASSES), config.rival)
    weights = network.state_dict()
    save_checkpoint(path, Checkpoint(config, weights, CLASSES, iteration=0, simulated=True))


def every_variant(pack: Path) -> Order:
    """All variants, whatever they lose: random weights find nobody anyway."""
    return Order(variants=tuple(Variant), pack=pack, max_loss=100.0)


def main() -> None:
    """Writes the bundles."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "tiny.pt"
        save_tiny_checkpoint(checkpoint)
        here, pack = Path(__file__).parent, write_pack(Path(folder) / "pack", train=34, test=6)
        export_bundle(checkpoint, here / "tiny_bundle")
        export_bundle(checkpoint, here / "tiny_variants", every_variant(pack))


if __name__ == "__main__":
    run(main)
