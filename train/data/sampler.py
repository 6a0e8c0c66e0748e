"""Batches of P subjects × K sequences × a few frames, as a pure function of the iteration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.errors import ConfigError

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Batch:
    """What to train on in one iteration; rows of one subject lie together.

    Args:
        sequences: intp `(p·k,)`, indices into what the sampler was given.
        labels: int64 `(p·k,)`, ranks of the subjects among the sorted ids.
        frames: intp `(p·k, frames)`, ascending offsets within each sequence, the same for both
            modalities.
    """

    sequences: Indices
    labels: NDArray[np.int64]
    frames: Indices


class PKSampler:
    """Draws P distinct subjects, K sequences of each and some frames of each sequence.

    An epoch is one shuffle of the subjects cut into batches of P, so a subject comes at most once
    in it; the remainder that fills no batch is left out, different ones each time. A subject with
    fewer than K sequences has all of them drawn before any is drawn again. A sequence with fewer
    frames than wanted is drawn from with replacement.

    Every batch depends on (seed, iteration) alone: resuming needs no state, and every process of a
    distributed run sees the same global batch.

    Args:
        subjects: the subject id of each sequence.
        lengths: the number of frames of each sequence, at least 1.
        p: subjects in a batch.
        k: sequences per subject.
        frames: frames per sequence.
        seed: of the whole run.

    Raises:
        ConfigError: there are fewer than `p` subjects, or a number is out of its range.
    """

    def __init__(
        self,
        subjects: Sequence[str],
        lengths: Sequence[int] | Indices,
        p: int = 8,
        k: int = 8,
        frames: int = 10,
        seed: int = 0,
    ) -> None:
        if min(p, k, frames) < 1:
            raise ConfigError(f"got p = {p}, k = {k}, frames = {frames}, need at least 1 of each")
        if len(subjects) != len(lengths) or min(lengths, default=1) < 1:
            raise ConfigError("need a number of frames, at least 1, for every sequence")
        names, labels = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
        if len(names) < p:
            raise ConfigError(
                f"got {len(names)} subjects to train on, a batch needs p = {p} different ones; "
                f"set p to at most {len(names)} or pack more subjects"
            )
        self.classes: tuple[str, ...] = tuple(names.tolist())
        self.p, self.k, self.frames, self.seed = p, k, frames, seed
        self._lengths = np.asarray(lengths, dtype=np.intp)
        self._of_class = [np.flatnonzero(labels == label) for label in range(len(names))]

    @property
    def iterations_per_epoch(self) -> int:
        """Batches that one shuffle of the subjects fills."""
        return len(self.classes) // self.p

    def require_shares(self, world: int) -> None:
        """Makes sure that so many processes can have equal shares of a batch.

        Raises:
            ConfigError: `p` cannot be divided among them.
        """
        if self.p % world:
            raise ConfigError(f"p = {self.p} subjects cannot be divided among {world} processes")

    def batch(self, iteration: int, rank: int = 0, world: int = 1) -> Batch:
        """The batch of an iteration, or one process's share of it.

        Args:
            iteration: from 0.
            rank, world: the share: subjects `rank·p/world` up to `(rank+1)·p/world` of the batch.

        Raises:
            ConfigError: `p` cannot be divided among `world` processes.
        """
        self.require_shares(world)
        rng = np.random.default_rng([self.seed, 1, iteration])
        labels = np.repeat(self._subjects(iteration), self.k)
        sequences = np.concatenate([self._sequences(c, rng) for c in labels[:: self.k]])
        frames = np.stack([self._frames(length, rng) for length in self._lengths[sequences]])
        share = slice(rank * len(labels) // world, (rank + 1) * len(labels) // world)
        return Batch(sequences[share], labels[share], frames[share])

    def _subjects(self, iteration: int) -> NDArray[np.int64]:
        epoch, step = divmod(iteration, self.iterations_per_epoch)
        shuffled = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.classes))
        return shuffled[step * self.p : (step + 1) * self.p]

    def _sequences(self, label: int, rng: np.random.Generator) -> Indices:
        own = self._of_class[label]
        rounds = -(-self.k // len(own))
        return np.concatenate([rng.permutation(own) for _ in range(rounds)])[: self.k]

    def _frames(self, length: int, rng: np.random.Generator) -> Indices:
        if length < self.frames:
            return np.sort(rng.integers(0, length, self.frames, dtype=np.intp))
        return np.sort(rng.permutation(length)[: self.frames])
