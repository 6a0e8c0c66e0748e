"""Checkpoints: what goes in comes out, no code runs, and a broken file is one clear line."""

import pickle
import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gait.errors import CheckpointError, StorageError
from gait.modality import Modality
from gait.range_style import RangeStyle
from tests.training_setup import tiny_config
from train.checkpoint import (
    FORMAT,
    VERSION,
    Checkpoint,
    build_network,
    load_checkpoint,
    save_checkpoint,
)
from train.loop.learner import Learner, Machine

CLASSES = ["0001", "0002", "0005"]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    learner = Learner(tiny_config(), CLASSES, Machine(torch.device("cpu")))
    return learner.checkpoint(7, simulated=True, best=12.5)


@pytest.fixture
def saved(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(tmp_path / "last.pt", checkpoint)
    return tmp_path / "last.pt"


@pytest.mark.parametrize("style", RangeStyle)
def test_the_style_of_range_views_comes_back(
    tmp_path: Path, checkpoint: Checkpoint, style: RangeStyle
) -> None:
    save_checkpoint(tmp_path / "last.pt", replace(checkpoint, range_style=style))
    assert load_checkpoint(tmp_path / "last.pt").range_style is style


@pytest.mark.parametrize(
    ("simulated", "style"), [(True, RangeStyle.BINS), (False, RangeStyle.SCATTER)]
)
def test_a_checkpoint_of_before_there_were_styles_has_that_of_its_people(
    tmp_path: Path, checkpoint: Checkpoint, simulated: bool, style: RangeStyle
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, replace(checkpoint, simulated=simulated))
    content = torch.load(path, weights_only=True)
    del content["range_style"]
    torch.save(content, path)
    assert load_checkpoint(path).range_style is style
    torch.save(content | {"range_style": "oil"}, path)
    with pytest.raises(CheckpointError, match="no proper range_style"):
        load_checkpoint(path)


def test_everything_comes_back(saved: Path, checkpoint: Checkpoint) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.config == checkpoint.config
    assert (loaded.classes, loaded.iteration, loaded.best) == (CLASSES, 7, 12.5)
    assert loaded.simulated
    assert loaded.torch_version == torch.__version__
    assert loaded.model.keys() == checkpoint.model.keys()
    for name, values in checkpoint.model.items():
        assert torch.equal(loaded.model[name], values)
    assert torch.equal(loaded.rng["cpu"], checkpoint.rng["cpu"])


def test_the_file_is_plain_tensors_and_containers(saved: Path) -> None:
    content = torch.load(saved, weights_only=True)
    assert (content["format"], content["version"]) == (FORMAT, VERSION)


def test_no_temporary_file_stays(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == ["last.pt"]


def test_the_network_is_rebuilt_for_inference(saved: Path, checkpoint: Checkpoint) -> None:
    network = build_network(load_checkpoint(saved))
    assert not network.training
    for name, values in network.state_dict().items():
        assert torch.equal(values, checkpoint.model[name])
    frames = torch.zeros(1, 2, 1, 64, 64, dtype=torch.uint8)
    assert network.embed(frames, Modality.SILHOUETTE).shape == (1, 4, 8)


def test_weights_that_do_not_fit_are_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="do not fit"):
        build_network(replace(checkpoint, classes=["0001"]))


class _Hostile:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def _other_version(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save(content | {"version": VERSION + 1}, path)


def _unknown_field(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["config"]["optim"]["momentum"] = 0.9
    torch.save(content, path)


def _lacking(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    del content["classes"]
    torch.save(content, path)


def _wrong_types(path: Path) -> None:
    torch.save(torch.load(path, weights_only=True) | {"iteration": "many"}, path)


def _not_finite(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["model"]["fcs.weight"][0, 0, 0] = float("nan")
    torch.save(content, path)


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64 * [0x5A])
    path.write_bytes(data)


def _plain_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: p.unlink(), "there is no checkpoint"),
    "empty": (lambda p: p.write_bytes(b""), "not a checkpoint"),
    "text": (lambda p: p.write_text("hello"), "not a checkpoint"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps([1])), "not a checkpoint"),
    "half": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "truncated"),
    "last byte gone": (lambda p: p.write_bytes(p.read_bytes()[:-1]), "truncated"),
    "flipped": (_flipped, "damaged"),
    "another zip": (_plain_zip, "not a checkpoint"),
    "a tensor": (lambda p: torch.save(torch.zeros(3), p), "not a checkpoint of train.run"),
    "a state dict": (lambda p: torch.save({"w": torch.zeros(3)}, p), "not a checkpoint of"),
    "hostile": (lambda p: torch.save({"format": FORMAT, "x": _Hostile()}, p), "plain containers"),
    "version": (_other_version, f"version {VERSION + 1}"),
    "unknown field": (_unknown_field, "optim.momentum"),
    "lacking": (_lacking, "classes"),
    "wrong types": (_wrong_types, "iteration"),
    "not finite": (_not_finite, "last.pt holds fcs.weight that is not of finite numbers"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_file_is_one_clear_line(saved: Path, damage: str) -> None:
    break_it, said = DAMAGES[damage]
    break_it(saved)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(saved)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_checkpoint_intact(saved: Path, checkpoint: Checkpoint) -> None:
    with disk_of(10_000), pytest.raises(StorageError, match="before is intact"):
        save_checkpoint(saved, replace(checkpoint, iteration=8))
    assert load_checkpoint(saved).iteration == 7
    assert [path.name for path in saved.parent.iterdir()] == ["last.pt"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, checkpoint: Checkpoint) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "last.pt", checkpoint)
