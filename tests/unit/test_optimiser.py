"""The learning rate as a function of the iteration."""

import pytest
import torch

from train.config import OptimConfig
from train.loop.optimiser import learning_rate, make_optimiser, set_learning_rate


def test_steps_fall_after_each_milestone() -> None:
    config = OptimConfig(iterations=100, lr=1.0, milestones=(10, 20), gamma=0.1)
    rates = {i: learning_rate(config, i) for i in (1, 10, 11, 20, 21, 100)}
    assert rates == pytest.approx({1: 1, 10: 1, 11: 0.1, 20: 0.1, 21: 0.01, 100: 0.01})


def test_steps_equal_torchs_schedule() -> None:
    config = OptimConfig(iterations=9, lr=0.3, milestones=(3, 6), gamma=0.5)
    weight = torch.nn.Linear(1, 1)
    optimiser = torch.optim.SGD(weight.parameters(), lr=0.3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 6], gamma=0.5)
    for iteration in range(1, 10):
        assert learning_rate(config, iteration) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()


def test_one_cycle_rises_then_falls_to_almost_nothing() -> None:
    config = OptimConfig(iterations=100, lr=1.0, schedule="one_cycle", warmup=0.2)
    rates = [learning_rate(config, i) for i in range(1, 101)]
    assert max(rates) == rates[19] == 1.0
    assert rates[:20] == sorted(rates[:20])
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4)
    assert learning_rate(config, 10) == pytest.approx((1 + 1 / 25) / 2)


def test_decay_is_added_to_the_gradient() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 2.0)
    optimiser = make_optimiser(layer, OptimConfig(lr=0.1, weight_decay=0.5))
    set_learning_rate(optimiser, 0.01)
    layer(torch.zeros(1, 1)).sum().backward()
    optimiser.step()
    # The gradient is 0 + 0.5·2; Adam's first step is the rate times its sign.
    assert layer.weight.item() == pytest.approx(2 - 0.01)


def test_the_branch_may_have_a_decay_of_its_own() -> None:
    first, branch = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    for layer in (first, branch):
        torch.nn.init.constant_(layer.weight, 2.0)
        layer.weight.grad = torch.zeros_like(layer.weight)
    network, config = torch.nn.Sequential(first, branch), OptimConfig(lr=0.1, weight_decay=0.5)
    optimiser = make_optimiser(network, config, branch=branch, branch_decay=0.0)
    set_learning_rate(optimiser, 0.01)
    optimiser.step()
    assert [layer.weight.item() for layer in (first, branch)] == pytest.approx([2 - 0.01, 2])


def test_one_decay_is_one_group() -> None:
    network = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(2))
    (group,) = make_optimiser(network, OptimConfig(), branch=network[1]).param_groups
    assert group["params"] == [*network.parameters()]
