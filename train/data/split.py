"""Which training people are trained on, and which are held out to choose the best checkpoint."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gait.errors import ConfigError
from train.config import TrainConfig
from train.data.pack import Record


class Split(NamedTuple):
    """The sequences of the training split, parted by person. Test people are in neither."""

    train: tuple[Record, ...]
    validation: tuple[Record, ...]

    @property
    def classes(self) -> list[str]:
        """The people trained on, sorted: the columns of the classifier."""
        return sorted({r.subject for r in self.train})


def split_people(records: Sequence[Record], config: TrainConfig) -> Split:
    """Holds out `data.validation_subjects` people, drawn by the seed.

    Raises:
        ConfigError: too few people remain for a batch of `batch.subjects`.
    """
    training = [r for r in records if r.split == "train"]
    people = sorted({r.subject for r in training})
    held = config.data.validation_subjects
    if len(people) - held < config.batch.subjects:
        raise ConfigError(
            f"got {len(people)} training people, {held} of them held out for validation, need at "
            f"least {config.batch.subjects} to train on: lower batch.subjects or "
            "data.validation_subjects",
        )
    chosen = set(np.random.default_rng(config.seed).permutation(people)[:held].tolist())
    return Split(
        tuple(r for r in training if r.subject not in chosen),
        tuple(r for r in training if r.subject in chosen),
    )
