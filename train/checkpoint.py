"""Checkpoints: everything a run needs to go on, as plain tensors and containers in one file."""

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from gait.dataset import drawn_as
from gait.errors import CheckpointError, ConfigError, PackError
from gait.modality import Modality
from gait.range_style import RangeStyle
from train.config import TrainConfig
from train.data.identity import PackIdentity, frames_hash
from train.data.pack import Pack
from train.model.network import GaitNetwork
from train.storage import write_atomically

FORMAT = "diffcrossgait-checkpoint"
VERSION = 1

_KINDS: dict[str, UnionType | type] = {
    "model": dict,
    "classes": list,
    "iteration": int,
    "simulated": bool,
    "optimiser": dict | None,
    "scaler": dict,
    "rng": dict,
    "best": float | None,
    "torch_version": str,
}

_Kind = TypeVar("_Kind", bound=BaseModel)

# What torch.load raises for a file that someone else wrote, by its several parsers.
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)


class Start(BaseModel, frozen=True, extra="forbid"):
    """The weights that a run began with, where it took over another network's.

    Args:
        file: its name.
        sha256: of that file.
        taken: how many numbers were taken over.
        every: how many the network has.
    """

    file: str
    sha256: str
    taken: int
    every: int

    def __str__(self) -> str:
        return (
            f"{self.taken:,} of {self.every:,} numbers of {self.file} (sha256 {self.sha256[:12]}…)"
        )


@dataclass(frozen=True)
class Checkpoint:
    """A training run after `iteration` steps.

    Args:
        config: the resolved configuration.
        model: the network's state dict, float32.
        classes: the training subjects in the order of the classifier's columns.
        iteration: optimisation steps done. With the configured seed it fixes the sampler, the
            diffusion noise and the learning rate, which are pure functions of it.
        simulated: whether the training walkers were simulated people.
        optimiser: its state dict; None in a checkpoint that is only for inference.
        scaler: the state of the fp16 gradient scaler; empty where it is not used.
        rng: torch's generator states (`cpu`, and `cuda` where used), uint8 tensors.
        best: the best validation Rank-1 so far, percent; None before the first validation.
        torch_version: the version that wrote the file.
        range_style: how their range views were drawn.
        pack: what tells the pack that was trained on from others; None in old files.
        start: the weights that the run began with; None if they were drawn, and in old files.
    """

    config: TrainConfig
    model: Mapping[str, Tensor]
    classes: list[str]
    iteration: int
    simulated: bool
    optimiser: Mapping[str, Any] | None = None
    scaler: Mapping[str, Any] = field(default_factory=dict)
    rng: Mapping[str, Tensor] = field(default_factory=dict)
    best: float | None = None
    torch_version: str = torch.__version__
    range_style: RangeStyle = RangeStyle.BINS
    pack: PackIdentity | None = None
    start: Start | None = None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically: after a crash the file is the old one or the new one, whole.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    content |= {
        "format": FORMAT,
        "version": VERSION,
        "config": checkpoint.config.model_dump(mode="json"),
        "torch_version": str(checkpoint.torch_version),
        "range_style": str(checkpoint.range_style),
        "pack": checkpoint.pack and checkpoint.pack.model_dump(),
        "start": checkpoint.start and checkpoint.start.model_dump(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(path: Path, map_location: str | torch.device = "cpu") -> Checkpoint:
    """Reads a checkpoint; runs no code from it (`weights_only`).

    Raises:
        CheckpointError: there is no file, it is not a checkpoint, it is truncated or damaged,
            another version of this project wrote it, or a weight is not a finite number.
    """
    content = _read(path, map_location)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a PyTorch file, but not a checkpoint of train.run")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is a checkpoint of version {content.get('version')}, this program reads "
            f"version {VERSION}: use the release that wrote it, or train again"
        )
    fields = {name: _field(path, content, name, kind) for name, kind in _KINDS.items()}
    try:
        config = TrainConfig.model_validate(_without_centre(content.get("config")))
    except (ValidationError, ConfigError) as error:
        where = "" if isinstance(error, ConfigError) else f" ({_first_path(error)})"
        raise CheckpointError(
            f"{path} has a configuration this program does not know{where}: "
            "use the release that wrote it, or train again"
        ) from error
    if (name := not_finite(fields["model"])) is not None:
        raise CheckpointError(
            f"{path} holds {name} that is not of finite numbers, as after a training that "
            "failed: take an earlier checkpoint"
        )
    style = _range_style(path, content.get("range_style"), fields["simulated"])
    pack = _origin(path, content, "pack", PackIdentity)
    start = _origin(path, content, "start", Start)
    return Checkpoint(config=config, range_style=style, pack=pack, start=start, **fields)


def not_finite(model: Mapping[str, object]) -> str | None:
    """The first entry of a state dict that is no tensor of finite numbers, if there is one."""
    return next(
        (n for n, x in model.items() if not isinstance(x, Tensor) or not x.isfinite().all()), None
    )


def file_hash(path: Path) -> str:
    """sha256 of a checkpoint's file.

    Raises:
        CheckpointError: there is none.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint at {path}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _origin(path: Path, content: dict[str, Any], name: str, kind: type[_Kind]) -> _Kind | None:
    """What a run came from; checkpoints of before it was kept say nothing."""
    value = content.get(name)
    try:
        return None if value is None else kind.model_validate(value)
    except ValidationError as error:
        raise CheckpointError(
            f"{path} has no proper {name} ({_first_path(error)}): train.run did not write it"
        ) from error


def _range_style(path: Path, value: Any, simulated: bool) -> RangeStyle:
    """Checkpoints of before there were two styles say nothing: `drawn_as` does."""
    try:
        return drawn_as(simulated) if value is None else RangeStyle(value)
    except ValueError as error:
        raise CheckpointError(f"{path} has no proper range_style: {error}") from error


def _without_centre(config: Any) -> Any:
    """Configurations of before there were centres say nothing of them: there were none."""
    match config:
        case {"model": dict(model)} if "centred" not in model:
            return {**config, "model": {**model, "centred": False}}
    return config


def _field(path: Path, content: dict[str, Any], name: str, kind: UnionType | type) -> Any:
    value = content.get(name)
    if name not in content or not isinstance(value, kind):
        raise CheckpointError(
            f"{path} has no proper {name} (got {type(value).__name__}): train.run did not write it"
        )
    return value


def _first_path(error: ValidationError) -> str:
    return ".".join(map(str, error.errors()[0]["loc"]))


def _read(path: Path, map_location: str | torch.device) -> object:
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint at {path}")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"PK\x03\x04":
        raise CheckpointError(f"{path} is not a checkpoint (wrong first bytes)")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path} is truncated or damaged: copy it again, or use an earlier checkpoint"
        ) from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged (checksum of {damaged}): copy it again")
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path} is not a checkpoint: it holds more than tensors and plain containers"
        ) from error


def same_style(checkpoint: Checkpoint, pack: Pack) -> bool:
    """Whether range views are drawn as the network knows them; true if it or the pack has none."""
    both = set(checkpoint.config.model.modalities) & set(pack.modalities)
    return Modality.RANGE_VIEW not in both or pack.range_style is checkpoint.range_style


def known_people(checkpoint: Checkpoint, pack: Pack) -> list[str]:
    """Test people of a pack whom the checkpoint was trained on, as after another split.

    Ids say so where the frames are those that were trained on, or where both the training and the
    pack are of real people in one layout. All simulated packs number other people alike.
    """
    own, simulated = checkpoint.pack, checkpoint.simulated or pack.simulated
    same = own is not None and own.frames_sha256 == frames_hash(pack.index)
    if not same and (simulated or pack.layout != checkpoint.config.data.layout):
        return []
    tested = {record.subject for record in pack.records if record.split == "test"}
    return sorted(tested & set(checkpoint.classes))


def require_style(checkpoint: Checkpoint, pack: Pack, path: Path) -> None:
    """Makes sure that a network goes on with range views as it knows them.

    Raises:
        PackError: those of the pack are drawn in another style.
    """
    if not same_style(checkpoint, pack):
        raise PackError(
            f"{pack.path} has range views of style {pack.range_style}, {path} was trained on "
            f"{checkpoint.range_style}: pack people drawn so (--range-style)"
        )


def load_network(path: Path, device: torch.device) -> GaitNetwork:
    """The trained network of a checkpoint on a device, channels last, in evaluation mode.

    Raises:
        CheckpointError: as `load_checkpoint` and `build_network`.
    """
    network = build_network(load_checkpoint(path)).to(device)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def build_network(checkpoint: Checkpoint) -> GaitNetwork:
    """The trained network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: the weights do not fit the configuration saved with them.
    """
    config = checkpoint.config
    network = GaitNetwork(config.model, config.diffusion, len(checkpoint.classes), config.rival)
    try:
        network.load_state_dict(dict(checkpoint.model))
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights do not fit the configuration saved with them: {error}"
        ) from error
    return network.eval()
