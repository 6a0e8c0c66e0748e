"""A GPU computes what a processor computes."""

from collections.abc import Iterator

import pytest
import torch

from tests.training_setup import tiny_config
from train.data.batches import TrainBatch
from train.loop.learner import Learner, Machine

CLASSES = [str(i) for i in range(6)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With sixteen, torch 2.11's backward pass crashed on a Xeon."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("precision", "compiled", "relative", "least"),
    [
        (torch.float32, "nothing", 1e-3, 0.999),
        (torch.bfloat16, "nothing", 0.05, 0.9),
        (torch.float32, "denoiser", 1e-3, 0.999),
    ],
    ids=["float32", "bfloat16", "denoiser compiled"],
)
def test_on_cuda_losses_and_gradients_are_those_of_a_cpu(
    one_thread: None, precision: torch.dtype, compiled: str, relative: float, least: float
) -> None:
    cuda, config = torch.device("cuda", 0), tiny_config(run={"device": "auto"})
    plain = Learner(config, CLASSES, Machine(torch.device("cpu")))
    other = tiny_config(run={"device": "auto", "compile": compiled})
    fast = Learner(other, CLASSES, Machine(cuda, precision))
    fast.network.load_state_dict(plain.network.state_dict())
    generator = torch.Generator().manual_seed(0)
    silhouettes, range_views = (
        torch.randint(0, 256, (4, 3, c, 64, 64), dtype=torch.uint8, generator=generator)
        for c in (1, 3)
    )
    batch = TrainBatch(silhouettes, range_views, torch.tensor([0, 0, 3, 3]))
    noise = plain.noise(1)

    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        want = plain.losses(batch, noise)
        found = fast.losses(TrainBatch(*(x.to(cuda) for x in batch)), noise.to(cuda))
        plain.backward(want)
        fast.backward(found)

    assert fast.network.regularizer is not None
    assert fast.network.regularizer.compiled == (compiled == "denoiser"), "else it ran as it is"
    for name, value in want.terms.items():
        assert found.terms[name].item() == pytest.approx(value.item(), rel=relative), name
    assert torch.cosine_similarity(_gradient(plain), _gradient(fast), dim=0) > least


def _gradient(learner: Learner) -> torch.Tensor:
    found = [p.grad for p in learner.network.parameters() if p.grad is not None]
    return torch.cat([gradient.flatten().cpu() for gradient in found])
