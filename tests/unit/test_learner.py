"""One step, its noise, what a checkpoint restores, and running out of memory."""

from pathlib import Path

import pytest
import torch

from gait.errors import CheckpointError, OutOfMemoryError
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import RivalMethod
from train.data.batches import MappedFrames, TrainBatch, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.loop.learner import Learner, Machine, memory_explained
from train.machine.distributed import Ranks

CPU = torch.device("cpu")
CLASSES = [f"{i:04d}" for i in range(10)]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> list[TrainBatch]:
    pack = Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))
    records = pack.records
    sampler = PKSampler([r.subject for r in records], [r.length for r in records], 2, 2, 3)
    return list(batches(MappedFrames(pack, records), sampler, Ranks(), CPU, 1, 8))


def learner(**changes: dict[str, object]) -> Learner:
    return Learner(tiny_config(**changes), CLASSES, Machine(CPU))


def totals(learned: Learner, stream: list[TrainBatch], first: int, last: int) -> list[float]:
    steps = range(first, last + 1)
    return [learned.step(i, stream[i - 1])[1].total.item() for i in steps]


def test_a_restored_learner_goes_on_exactly(stream: list[TrainBatch], tmp_path: Path) -> None:
    whole = totals(learner(), stream, 1, 8)
    begun = learner()
    first = totals(begun, stream, 1, 5)
    save_checkpoint(tmp_path / "last.pt", begun.checkpoint(5, simulated=True, best=None))
    torch.manual_seed(99)
    resumed = learner()
    resumed.restore(load_checkpoint(tmp_path / "last.pt"))
    assert first + totals(resumed, stream, 6, 8) == whole


def test_steps_lower_the_loss_of_a_batch(stream: list[TrainBatch]) -> None:
    learned = learner()
    losses = [learned.step(1, stream[0])[1].total.item() for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("wanted", [True, False])
def test_cudnn_searches_where_it_is_to(stream: list[TrainBatch], wanted: bool) -> None:
    with torch.backends.cudnn.flags(enabled=True, benchmark=not wanted):
        learner(run={"cudnn_benchmark": wanted}).step(1, stream[0])
        assert torch.backends.cudnn.benchmark is wanted


def test_the_noise_is_a_function_of_seed_and_iteration(stream: list[TrainBatch]) -> None:
    one, two = learner(), learner()
    two.step(1, stream[0])
    two.restore(one.checkpoint(0, simulated=True, best=None))
    same = [x.losses(stream[0], x.noise(3)).total.item() for x in (one, two)]
    assert same[0] == same[1]
    terms = [one.losses(stream[0], one.noise(i)).terms["p3_reconstruction"] for i in (3, 4)]
    assert terms[0] != terms[1]


def test_losses_are_float32_under_autocast(stream: list[TrainBatch]) -> None:
    half = Learner(tiny_config(), CLASSES, Machine(CPU, torch.bfloat16))
    full = learner()
    low, high = (x.losses(stream[0], full.noise(1)) for x in (half, full))
    assert {values.dtype for values in low.terms.values()} == {torch.float32}
    assert low.total.item() == pytest.approx(high.total.item(), rel=0.05)
    assert all(p.dtype == torch.float32 for p in half.network.parameters())


def test_a_checkpoint_of_another_network_is_refused() -> None:
    other = learner(model={"embedding": 4}).checkpoint(3, simulated=True, best=None)
    with pytest.raises(CheckpointError, match="--restart"):
        learner().restore(other)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 GB"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_what_to_lower(error: Exception) -> None:
    with (
        pytest.raises(OutOfMemoryError, match=r"2 subjects × 2 sequences × 3 frames .* lower"),
        memory_explained(tiny_config()),
    ):
        raise error


def test_a_real_allocation_failure_is_recognised() -> None:
    with pytest.raises(OutOfMemoryError), memory_explained(tiny_config()):
        torch.empty(2**50)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(tiny_config()):
        raise RuntimeError("shapes do not match")


@pytest.mark.parametrize("seen", ["colours", "mask"])
def test_two_backbones_begin_as_the_shared_one_was(seen: str, stream: list[TrainBatch]) -> None:
    shared = learner(model={"own_layers": 0, "range_input": seen})
    shared.step(1, stream[0])
    apart = learner(model={"range_input": seen})
    apart.take_over(shared.checkpoint(1, simulated=True, best=None))
    clips = dict(zip(Modality, stream[0][:2], strict=True))
    for modality, some in clips.items():
        one, two = (x.network.eval().branch(modality).features(some) for x in (shared, apart))
        assert (one - two).abs().max() <= 1e-5 * one.abs().max()


@pytest.mark.parametrize("method", [None, *RivalMethod])
def test_no_classifier_is_taken_over(method: RivalMethod | None) -> None:
    """Neither the network's own nor a rival's: they know other people."""
    changes: dict[str, dict[str, object]] = {"rival": {"method": method}}
    if method is not None:
        changes["diffusion"] = {"phases": ()}
    other = tiny_config(**changes).model_copy(update={"seed": 1})
    one, two = learner(**changes), Learner(other, CLASSES, Machine(CPU))
    taken, every = two.take_over(one.checkpoint(1, simulated=True, best=None))
    after, theirs = two.network.state_dict(), one.network.state_dict()
    kept = {name for name, value in after.items() if not torch.equal(value, theirs[name])}
    assert {name.rpartition("neck.")[2] for name in kept} <= {"weight"}
    assert "neck.weight" in kept
    assert ("rival.neck.weight" in kept) == ("rival.neck.weight" in after)
    assert taken < every


def test_colours_are_not_added_up() -> None:
    colours = learner().checkpoint(1, simulated=True, best=None)
    masks = learner(model={"range_input": "mask"})
    name = "range_view.backbone.stem.0.weight"
    before = masks.network.state_dict()[name].clone()
    masks.take_over(colours)
    assert torch.equal(masks.network.state_dict()[name], before)
