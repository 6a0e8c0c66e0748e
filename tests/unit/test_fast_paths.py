"""Every speed-up changes how a step is computed, not what it learns."""

from copy import deepcopy
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.checkpoint import Checkpoint
from train.data.batches import MappedFrames, TrainBatch, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.loop.learner import Learner, Machine
from train.machine.distributed import Ranks

CPU = torch.device("cpu")
STEPS = 50
LR = 3e-4
"""Of the paper's recipe."""

PLAIN = {"channels_last": False, "one_call": False, "fused": False}


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> list[TrainBatch]:
    pack = Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))
    records = pack.records
    sampler = PKSampler([r.subject for r in records], [r.length for r in records], 2, 2, 3)
    return list(batches(MappedFrames(pack, records), sampler, Ranks(), CPU, 1, STEPS))


WIDE = {"channels": [16, 16, 16, 16]}
"""Narrower networks keep the plain layout on a processor."""


def learner(run: dict[str, bool], **diffusion: float) -> Learner:
    classes = [f"{i:04d}" for i in range(10)]
    optim = {"lr": LR, "schedule": "steps"}
    config = tiny_config(model=WIDE, run=run, optim=optim, diffusion=diffusion)
    return Learner(config, classes, Machine(CPU))


class Course(NamedTuple):
    """What the default did: before each step, its loss, and all weights after it."""

    before: list[Checkpoint]
    totals: list[float]
    after: list[Tensor]


def weights(learned: Learner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in learned.network.parameters()])


@pytest.fixture(scope="module")
def expected(stream: list[TrainBatch]) -> Course:
    learned, course = learner({}), Course([], [], [])
    for i, batch in enumerate(stream, 1):
        course.before.append(deepcopy(learned.checkpoint(i - 1, simulated=True, best=None)))
        course.totals.append(learned.step(i, batch)[1].total.item())
        course.after.append(weights(learned))
    return course


@pytest.mark.parametrize("off", [PLAIN, *({name: False} for name in PLAIN)], ids=str)
def test_each_of_fifty_steps_does_the_same_from_the_same_weights(
    off: dict[str, bool], stream: list[TrainBatch], expected: Course
) -> None:
    """From the same weights each time: left alone, rounding grows from step to step."""
    learned = learner(off)
    for i, batch in enumerate(stream, 1):
        learned.restore(deepcopy(expected.before[i - 1]))
        start = weights(learned)
        total = learned.step(i, batch)[1].total.item()
        assert total == pytest.approx(expected.totals[i - 1], rel=1e-5)
        apart, moved = weights(learned) - expected.after[i - 1], expected.after[i - 1] - start
        assert apart.norm() < 0.02 * moved.norm(), i
    assert expected.totals[-1] < 0.9 * expected.totals[0], "it learns"


def test_the_switches_reach_the_step() -> None:
    fast, plain = learner({}), learner(PLAIN)
    assert _channels_last(fast)
    assert not _channels_last(plain)
    assert fast.network.regularizer is not None
    assert plain.network.regularizer is not None
    assert (fast.network.regularizer.one_call, plain.network.regularizer.one_call) == (True, False)
    assert [x.optimiser.param_groups[0]["fused"] for x in (fast, plain)] == [True, False]


def _channels_last(learned: Learner) -> bool:
    weights = learned.network.silhouette.resnet.stages[1].conv1.weight  # type: ignore[union-attr]
    return bool(weights.is_contiguous(memory_format=torch.channels_last))  # type: ignore[operator]


def test_a_resumed_run_may_turn_a_switch(stream: list[TrainBatch]) -> None:
    begun = learner({})
    begun.step(1, stream[0])
    resumed = learner(PLAIN)
    resumed.restore(begun.checkpoint(1, simulated=True, best=None))
    assert resumed.optimiser.param_groups[0]["fused"] is False
    fast, plain = (x.step(2, stream[1])[1].total.item() for x in (begun, resumed))
    assert plain == pytest.approx(fast, rel=1e-4)


def test_the_branchs_own_decay_reaches_its_weights_and_is_resumed(stream: list[TrainBatch]) -> None:
    begun, resumed = (learner({}, weight_decay=0.0) for _ in range(2))
    begun.step(1, stream[0])
    resumed.restore(begun.checkpoint(1, simulated=True, best=None))
    for learned in (begun, resumed):
        others, branch = learned.optimiser.param_groups
        assert others["weight_decay"] == learned.config.optim.weight_decay > 0
        assert branch["weight_decay"] == 0
        assert learned.network.regularizer is not None
        assert branch["params"] == [*learned.network.regularizer.parameters()]
    after = [x.step(2, stream[1])[1].total.item() for x in (begun, resumed)]
    assert after[0] == pytest.approx(after[1], rel=1e-6)
