"""FLOPs and bytes of ops, counted while they run."""

import pytest
import torch
from torch.nn import functional as F

from bench.training.step_cost import OpCounter, Rates, count_step
from tests.training_setup import tiny_config


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_costs_two_for_each_multiply_add(groups: int, stride: int) -> None:
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    weight = torch.randn(8, 4 // groups, 3, 3, requires_grad=True)
    with OpCounter() as counter:
        y = F.conv2d(x, weight, stride=stride, padding=1, groups=groups)
        y.sum().backward()  # type: ignore[no-untyped-call]
    forward = 2 * y.numel() * weight[0].numel()
    assert counter.ops["aten.convolution"].flops == forward
    assert counter.ops["aten.convolution_backward"].flops == 2 * forward


def test_bytes_are_those_read_and_written_and_views_are_free() -> None:
    a, b = torch.randn(3, 5), torch.randn(5)
    with OpCounter() as counter:
        (a.t().reshape(5, 3).view(15 // 3, 3).t() + b).relu_()
    assert set(counter.ops) == {"aten.add", "aten.relu_"}
    assert counter.ops["aten.add"].bytes == 4 * (15 + 5 + 15)
    assert counter.ops["aten.relu_"].bytes == 4 * (15 + 15)


def test_a_whole_step_is_counted_without_computing_it() -> None:
    ops = count_step(tiny_config(), 6, torch.float32)
    base = count_step(tiny_config(diffusion={"phases": []}), 6, torch.float32)
    total, less = (sum(op.flops for op in found.values()) for found in (ops, base))
    assert 0 < less < total
    assert ops["aten._fused_adam_"].calls == 1
    doubled = count_step(tiny_config(batch={"sequences": 4}), 6, torch.float32)
    assert doubled["aten.convolution"].flops == 2 * ops["aten.convolution"].flops


def test_a_call_takes_the_longer_of_its_arithmetic_and_its_traffic() -> None:
    a = torch.randn(4, 4)
    with OpCounter(Rates(flops=128, bytes=64)) as counter:
        (a @ a) + a
        (a @ a) * 2
    product, total = counter.ops["aten.mm"], counter.ops["aten.add"]
    assert (product.calls, product.flops, product.bytes) == (2, 2 * 128, 2 * 3 * 64)
    assert product.seconds == 2 * max(128 / 128, 3 * 64 / 64)
    assert total.seconds == 3
    with OpCounter(Rates(flops=16, bytes=64)) as slow:
        a @ a
    assert slow.ops["aten.mm"].seconds == 8
