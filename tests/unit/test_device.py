"""Which device, precision and threads a run takes."""

import pytest
import torch

from gait.errors import ConfigError
from train.config import RunConfig
from train.machine.device import pick_device, pick_precision, set_threads
from train.machine.distributed import Ranks

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize(
    ("gpus", "asked", "local", "got"),
    [
        (0, "auto", 0, CPU),
        (0, "cpu", 1, CPU),
        (2, "cpu", 0, CPU),
        (2, "auto", 1, torch.device("cuda", 1)),
        (1, "cuda", 0, CUDA),
    ],
    indirect=["gpus"],
)
@pytest.mark.usefixtures("gpus")
def test_each_rank_gets_its_device(asked: str, local: int, got: torch.device) -> None:
    config = RunConfig.model_validate({"device": asked})
    assert pick_device(config, Ranks(local, local + 1, local)) == got


@pytest.mark.parametrize(
    ("gpus", "local", "said"),
    [(0, 0, "finds no CUDA device"), (1, 1, "1 GPUs: lower --nproc_per_node")],
    indirect=["gpus"],
)
@pytest.mark.usefixtures("gpus")
def test_a_device_that_is_not_there_is_said(local: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pick_device(RunConfig(device="cuda"), Ranks(local, local + 1, local))


@pytest.mark.parametrize(
    ("device", "asked", "new", "got"),
    [
        (CPU, "auto", True, torch.bfloat16),
        (CPU, "auto", False, torch.float32),
        (CUDA, "auto", True, torch.bfloat16),
        (CUDA, "auto", False, torch.float16),
        (CPU, "bf16", False, torch.bfloat16),
        (CUDA, "fp32", True, torch.float32),
    ],
)
def test_precision_follows_the_hardware_unless_told(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, asked: str, new: bool, got: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: new)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": new}, raising=False)
    assert pick_precision(RunConfig.model_validate({"precision": asked}), device) == got


def test_avx512_is_enough_for_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    able = {"amx_bf16": False, "avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert pick_precision(RunConfig(), CPU) == torch.bfloat16


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.machine.device._cores", lambda: 8)
    before = torch.get_num_threads()
    try:
        assert set_threads(RunConfig()) == torch.get_num_threads() == 8
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
        assert set_threads(RunConfig()) == 2
        assert set_threads(RunConfig(threads=1)) == 1
    finally:
        torch.set_num_threads(before)
