"""Run folders that are looked at together."""

from collections.abc import Sequence
from pathlib import Path

from gait.errors import ConfigError
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.loop import LAST


def common_config(folders: Sequence[Path]) -> TrainConfig:
    """The configuration of the first of some runs, whose people are those of all.

    Raises:
        ConfigError: no folder, or runs of other people than the first's.
        CheckpointError: a folder without a readable last checkpoint.
    """
    if not folders:
        raise ConfigError("got no run folder, need at least one, such as runs/benchmark/full-0")
    first, *others = (load_checkpoint(folder / LAST).config for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        if other.walkers != first.walkers:
            raise ConfigError(f"{folder} is of other people than {folders[0]}: look at it alone")
    return first
