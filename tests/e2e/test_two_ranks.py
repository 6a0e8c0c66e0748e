"""Two processes with half a batch each learn what one process learns from the whole."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.ddp_gradients import save_step
from tests.packs import write_pack
from tests.training_setup import write_tiny_yaml
from train.checkpoint import load_checkpoint
from train.config import RivalMethod
from train.data.pack import Pack
from train.machine.distributed import AllRanksBatchNorm, Ranks
from train.report.metrics_log import read_metrics


def torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc_per_node", "2", "-m", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs") / "pack")


@pytest.fixture(scope="module")
def folder(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one rank and two left of the same step."""
    folder = tmp_path_factory.mktemp("steps")
    save_step(Pack.open(pack), folder / "one.pt", Ranks())
    done = torchrun("tests.ddp_gradients", pack, folder / "two.pt")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def steps(folder: Path) -> list[dict[str, Any]]:
    """The same step by one rank and by two."""
    return [torch.load(folder / f"{name}.pt") for name in ("one", "two")]


@pytest.mark.parametrize("rank", [0, 1])
def test_no_thread_of_the_group_outlives_it(folder: Path, rank: int) -> None:
    # One that does may drop a tensor while Python shuts down, and abort the process.
    threads = (folder / f"two.threads{rank}").read_text()
    assert threads
    assert "gloo" not in threads


@pytest.mark.parametrize("rival", RivalMethod)
def test_a_rival_learns_the_same(folder: Path, pack: Path, rival: RivalMethod) -> None:
    save_step(Pack.open(pack), folder / f"one-{rival}.pt", Ranks(), rival)
    steps = [torch.load(folder / f"{name}-{rival}.pt") for name in ("one", "two")]
    same_gradients(*(step["gradients"] for step in steps))
    assert steps[1]["losses"] == pytest.approx(steps[0]["losses"], rel=1e-4, abs=1e-5)


def test_gradients_are_equal(steps: list[dict[str, Any]]) -> None:
    same_gradients(*(step["gradients"] for step in steps))


def same_gradients(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        assert gradient is not None, name
        scale = gradient.abs().max().clamp(min=1e-3)
        torch.testing.assert_close(two[name] / scale, gradient / scale, rtol=0, atol=2e-3, msg=name)


def test_the_losses_are_equal(steps: list[dict[str, Any]]) -> None:
    one, two = (step["losses"] for step in steps)
    assert two == pytest.approx(one, rel=1e-4)


def test_batch_statistics_are_those_of_the_whole_batch(steps: list[dict[str, Any]]) -> None:
    one, two = (step["buffers"] for step in steps)
    assert one.keys() == two.keys()
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, rtol=1e-4, atol=1e-5, msg=name)


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 2)])
def test_batch_norm_over_all_ranks_of_one_is_torchs(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, requires_grad=True)
    theirs = nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5)
    ours = AllRanksBatchNorm(5)
    weights = torch.randn(shape)
    results = []
    for norm in (ours, theirs):
        out = norm(values)
        (gradient,) = torch.autograd.grad((out * weights).sum(), values)
        evaluated = norm.eval()(values)
        results.append((out, gradient, evaluated, norm.running_mean, norm.running_var))
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("group_of_one")
def test_batch_norm_over_all_ranks_takes_bfloat16() -> None:
    values = torch.randn(6, 5, 3, 2, dtype=torch.bfloat16)
    ours, theirs = AllRanksBatchNorm(5), nn.BatchNorm2d(5)
    out = ours(values)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, theirs(values))
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.slow
def test_a_whole_run_on_two_ranks_learns_what_one_learns(pack: Path, tmp_path: Path) -> None:
    preset = write_tiny_yaml(tmp_path, optim={"iterations": 12})
    command = ("train.run", preset, "--pack", pack, "--out")
    done = torchrun(*command, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    alone = subprocess.run(
        [sys.executable, "-m", *map(str, command), str(tmp_path / "one")],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "two" / "report.html").exists()
    assert load_checkpoint(tmp_path / "two" / "last.pt").iteration == 12
    one, two = ([r for r in read_metrics(tmp_path / n) if "total" in r] for n in ("one", "two"))
    assert len(one) == len(two) == 12
    assert [r["total"] for r in two] == pytest.approx([r["total"] for r in one], rel=0.05)
