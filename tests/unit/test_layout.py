"""A narrow network is trained in the layout that does not damage memory."""

import subprocess
import sys

import pytest
import torch

from train.config import ModelConfig
from train.model.layout import lay_channels_last
from train.model.resnet9 import ResNet9

TRAINS = """
import torch
from train.config import ModelConfig
from train.model.layout import lay_channels_last
from train.model.resnet9 import ResNet9

torch.set_num_threads(1)
torch.manual_seed(0)
network = ResNet9(1, ModelConfig(channels=(8, 16, 16, 32), stem_stride=1))
network = lay_channels_last(network, torch.device("cpu"))
for step in range(3):
    network(torch.rand(64, 1, 64, 64)).square().mean().backward()
    kept = [torch.rand(step + 1, size) for size in range(1, 100)]
print("trained")
"""


def test_a_narrow_network_outlives_its_training() -> None:
    """Channels last, the first step ends this process by signal 6 or 11."""
    found = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "trained\n"), found.stderr


@pytest.mark.parametrize(
    ("width", "device", "last"), [(8, "cpu", False), (16, "cpu", True), (8, "cuda", True)]
)
def test_only_narrow_networks_on_processors_keep_the_plain_layout(
    width: int, device: str, last: bool
) -> None:
    network = ResNet9(1, ModelConfig(channels=(width, 32, 32, 32)))
    weights = lay_channels_last(network, torch.device(device)).stages[1].conv1.weight  # type: ignore[union-attr]
    assert weights.is_contiguous(memory_format=torch.channels_last) == last  # type: ignore[operator]
