"""Losses kept on the device: read once, and the first that is not finite is named."""

import pytest
import torch

from gait.errors import NonFiniteLossError
from train.loop.ledger import Ledger
from train.losses import Losses


def losses(**terms: float) -> Losses:
    tensors = {name: torch.tensor(value) for name, value in terms.items()}
    return Losses(tensors, torch.stack([*tensors.values()]).sum())


def test_rows_come_out_in_order_and_once() -> None:
    ledger = Ledger()
    ledger.add(1, 0.5, losses(ce=1.0, triplet=2.0))
    ledger.add(2, 0.25, losses(ce=3.0, triplet=4.0))
    assert ledger.read() == [
        {"iteration": 1, "lr": 0.5, "total": 3.0, "ce": 1.0, "triplet": 2.0},
        {"iteration": 2, "lr": 0.25, "total": 7.0, "ce": 3.0, "triplet": 4.0},
    ]
    assert ledger.read() == []


def test_values_are_those_at_the_time_of_the_step() -> None:
    ledger, value = Ledger(), torch.tensor(1.0)
    ledger.add(1, 0.1, Losses({"ce": value}, value))
    value += 1
    assert ledger.read()[0]["ce"] == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_first_bad_term_and_iteration_are_named(value: float) -> None:
    ledger = Ledger()
    ledger.add(7, 0.1, losses(ce=1.0, p3_bridge=1.0))
    ledger.add(8, 0.1, losses(ce=1.0, p3_bridge=value))
    ledger.add(9, 0.1, losses(ce=value, p3_bridge=value))
    with pytest.raises(NonFiniteLossError, match=r"iteration 8 .*p3_bridge") as caught:
        ledger.read()
    assert caught.value.fields == {"iteration": 8, "term": "p3_bridge"}
