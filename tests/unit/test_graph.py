"""Recording a step: what is copied, when it is recorded, and that nothing in it waits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gait.errors import ConfigError
from tests.training_setup import tiny_config
from train.data.batches import TrainBatch
from train.loop import graph
from train.loop.learner import Learner, Machine
from train.loop.optimiser import make_optimiser, set_learning_rate
from train.losses import Losses
from train.presets import load_config

CPU = torch.device("cpu")
CLASSES = [str(i) for i in range(6)]

WAITING = {
    "_local_scalar_dense",
    "is_nonzero",
    "equal",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    # Values that come from the host:
    "lift_fresh",
    "lift_fresh_copy",
}
"""What a GPU answers only after all it was asked before, or what makes it wait for the host."""


class Watch(TorchDispatchMode):
    """Notes each op that would make host and device wait for each other."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        masks = name in {"index", "index_put", "index_put_"} and any(
            isinstance(leaf, torch.Tensor) and leaf.dtype == torch.bool
            for leaf in tree_leaves(args[1])
        )
        if name in WAITING or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def batch(seed: int) -> TrainBatch:
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        torch.randint(0, 256, (4, 3, c, 64, 64), dtype=torch.uint8, generator=generator)
        for c in (1, 3)
    )
    return TrainBatch(first, second, torch.tensor([0, 0, 3, 3]))


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: (x > 0).nonzero(),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    ],
)
def test_what_waits_is_noticed(wait: Callable[[torch.Tensor], object]) -> None:
    values = torch.arange(3.0)
    with Watch() as watch:
        wait(values)
    assert watch.found


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("phases", [(), (1, 2, 3)])
def test_nothing_in_a_step_waits(precision: torch.dtype, phases: tuple[int, ...]) -> None:
    config = tiny_config(diffusion={"phases": phases})
    learner = Learner(config, CLASSES, Machine(CPU, precision))
    given = batch(0)
    learner.step(1, given)
    with Watch() as watch:
        learner.step(2, given)
    assert watch.found == []


def test_nothing_in_a_full_size_step_waits() -> None:
    learner = Learner(load_config("sustech1k"), CLASSES, Machine(CPU, torch.bfloat16))
    with FakeTensorMode(allow_non_fake_inputs=True):
        first, second = (torch.zeros(64, 10, c, 64, 64, dtype=torch.uint8) for c in (1, 3))
        given = TrainBatch(first, second, torch.zeros(64, dtype=torch.int64))
        learner.step(1, given)
        with Watch() as watch:
            learner.step(2, given)
    assert watch.found == []


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for CUDA: a recording does nothing, a replay does it all on the same tensors."""
    did: list[str] = []

    def record(work: Callable[[], Losses]) -> tuple[Callable[[], None], Losses]:
        did.append("record")
        held: list[Losses] = []
        places = Losses({}, torch.zeros(()))

        def replay() -> None:
            did.append("replay")
            held[:] = [work()]
            places.total.copy_(held[0].total)

        return replay, places

    def aside(work: Callable[[], Losses]) -> Losses:
        did.append("aside")
        return work()

    monkeypatch.setattr(graph, "record", record)
    monkeypatch.setattr(graph, "aside", aside)
    return did


def totals(learner: Learner, step: graph.Step, steps: Iterator[int]) -> list[float]:
    return [step(batch(i), learner.noise(i)).total.item() for i in steps]


def test_a_recorded_step_copies_each_batch_to_where_it_is_read(on_a_cpu: list[str]) -> None:
    plain, recorded = (Learner(tiny_config(), CLASSES, Machine(CPU)) for _ in range(2))
    step = graph.RecordedStep(recorded._parts)
    expected = totals(plain, plain._parts, iter(range(8)))
    assert totals(recorded, step, iter(range(8))) == expected
    assert len(set(expected)) == 8
    assert on_a_cpu == ["aside"] * graph.WARM_UP + ["record"] + ["replay"] * 5


def test_the_rate_of_a_recorded_update_changes_in_place() -> None:
    network = torch.nn.Linear(2, 2)
    optimiser = make_optimiser(network, tiny_config().optim, graph=True)
    (group,) = optimiser.param_groups
    place = group["lr"]
    set_learning_rate(optimiser, 0.25)
    assert group["lr"] is place
    assert place.item() == 0.25
    assert group["capturable"]


@pytest.mark.parametrize(
    ("device", "precision", "world", "said"),
    [
        ("cpu", torch.bfloat16, 1, "need a CUDA device"),
        ("cuda", torch.float16, 1, "need run.precision bf16 or fp32"),
        ("cuda", torch.bfloat16, 2, "with 2 processes"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    device: str, precision: torch.dtype, world: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        graph.refuse_graph(torch.device(device), precision, world)


def test_a_learner_on_a_cpu_refuses_a_graph() -> None:
    with pytest.raises(ConfigError, match=r"run\.graph on cpu"):
        Learner(tiny_config(run={"graph": True}), CLASSES, Machine(CPU))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_on_cuda_a_graph_learns_what_eager_steps_learn(compiled: bool) -> None:
    device, found = torch.device("cuda", 0), []
    for on in (False, True):
        run = {"device": "cuda", "graph": on, "compile": "all" if compiled and on else "nothing"}
        learner = Learner(tiny_config(run=run), CLASSES, Machine(device, torch.float32))
        given = [_on(device, batch(i % 4)) for i in range(30)]
        found.append([learner.step(i, b)[1].total.item() for i, b in enumerate(given, 1)])
    assert found[1] == pytest.approx(found[0], rel=1e-2)
    assert found[0][-1] < found[0][0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_no_step_waits_for_the_device() -> None:
    device = torch.device("cuda", 0)
    learner = Learner(tiny_config(run={"device": "cuda"}), CLASSES, Machine(device))
    given = _on(device, batch(0))
    learner.step(1, given)
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner.step(2, given)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _on(device: torch.device, values: TrainBatch) -> TrainBatch:
    return TrainBatch(*(x.to(device) for x in values))
