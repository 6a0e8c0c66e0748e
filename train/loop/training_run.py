"""The training loop: steps, and between them losses, validation, checkpoints and stopping."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gait.errors import ConfigError
from gait.range_style import RangeStyle
from train.augment.batch import augmented
from train.augment.erased import channel_augmented
from train.checkpoint import Checkpoint, Start, file_hash, require_style, save_checkpoint
from train.config import RivalMethod, TrainConfig
from train.data.batches import TrainBatch, batches, place_frames
from train.data.identity import PackIdentity
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.data.split import Split
from train.loop.embedding_centre import centre_embeddings
from train.loop.embedding_projection import fit_projection
from train.loop.interrupt import StopRequest
from train.loop.learner import Learner, Machine, memory_explained
from train.loop.ledger import Ledger
from train.loop.trace import no_trace, traced
from train.loop.validate import can_validate, validate
from train.machine.distributed import agree
from train.report.reporter import Reporter
from train.rivals.channel_augmentation import SHARE

LAST, BEST = "last.pt", "best.pt"


class Outcome(NamedTuple):
    """How a run ended: steps done, and the signal that stopped it early, if one did."""

    iteration: int
    stopped_by: int | None


class Due(NamedTuple):
    """What is due after a step: `look` reads the losses, which waits for the device."""

    look: bool
    validate: bool
    save: bool
    last: bool


def due_after(iteration: int, config: TrainConfig, validating: bool) -> Due:
    """What is due after a step: whatever is saved was looked at, and validations are saved.

    Args:
        iteration: the step just done, 1 for the first.
        config: says how often, and which step is the last.
        validating: whether people are held out who can be looked for.
    """
    run, last = config.run, iteration == config.optim.iterations
    validate = validating and (last or iteration % run.validate_every == 0)
    save = last or validate or iteration % run.checkpoint_every == 0
    return Due(save or iteration % run.log_every == 0, validate, save, last)


def refuse_two_shares(config: TrainConfig) -> None:
    """Makes sure that one field alone says how many pictures are changed.

    Runs of before this was asked are gone on with, so it is no rule of the configuration.

    Raises:
        ConfigError: the rival channel_augmentation, which changes its own share, and another one.
    """
    changes = RivalMethod.CHANNEL_AUGMENTATION
    if config.rival.method == changes and config.augment.erased:
        raise ConfigError(
            f"got rival {changes} and augment.erased {config.augment.erased:g}, need one of the "
            f"two: the rival changes {SHARE:g} of the clips itself, so leave augment.erased at 0"
        )


class TrainingRun:
    """A run in its folder: starts anew or goes on from a checkpoint, to the end or to a signal.

    Args:
        config: resolved configuration.
        pack: where the frames are.
        split: who is trained on, and who chooses the best checkpoint.
        folder: gets `metrics.jsonl`, `tensorboard/`, `last.pt` and `best.pt`.
        machine: what to compute on.
        checkpoint: where to go on from.
        profile: write a trace of a few steps into the folder as well.

    Raises:
        ConfigError: clips are to be changed that are drawn as scatter plots, or pictures by two
            shares; or batches cannot be divided among the processes.
        CheckpointError: the checkpoint is of another network.
        PackError: its range views are of another style.
    """

    def __init__(
        self,
        config: TrainConfig,
        pack: Pack,
        split: Split,
        folder: Path,
        machine: Machine,
        checkpoint: Checkpoint | None = None,
        profile: bool = False,
    ) -> None:
        if config.augment.share and pack.range_style is RangeStyle.SCATTER:
            raise ConfigError(
                f"got augment.share {config.augment.share} and {pack.path} with range views of "
                "style scatter, need bins: changed clips would be drawn as nothing else is"
            )
        if checkpoint is None:
            refuse_two_shares(config)
        self._config, self._pack, self._split = config, pack, split
        self._folder, self._machine = folder, machine
        records, batch = split.train, config.batch
        self._sampler = PKSampler(
            [r.subject for r in records],
            [r.length for r in records],
            batch.subjects,
            batch.sequences,
            batch.frames,
            config.seed,
        )
        self._sampler.require_shares(machine.ranks.world)
        self._profile = profile and machine.ranks.main
        self._learner = Learner(config, split.classes, machine)
        self._ledger = Ledger()
        self._validates = can_validate(split.validation)
        self._done, self._best = 0, None
        self._identity: PackIdentity | None = PackIdentity.of(pack.index)
        self._start: Start | None = None
        if checkpoint is not None:  # what an old one does not say stays unknown
            self._identity, self._start = checkpoint.pack, checkpoint.start
        if checkpoint is not None:
            require_style(checkpoint, pack, folder)
            self._learner.restore(checkpoint)
            self._done = checkpoint.iteration
            self._best = checkpoint.best if self._validates else None

    def begin_with(self, other: Checkpoint, file: Path) -> Start:
        """Takes over what fits of another network's weights; every checkpoint will say so.

        Args:
            other: its checkpoint.
            file: where that came from.
        """
        taken, every = self._learner.take_over(other)
        digest = file_hash(file)
        self._start = Start(file=file.name, sha256=digest, taken=taken, every=every)
        return self._start

    def run(self) -> Outcome:
        """Trains until the last iteration or a signal, whichever comes first.

        Raises:
            NonFiniteLossError: a loss or a weight is not a finite number; the last checkpoint is
                kept.
            OutOfMemoryError: the batch does not fit.
            StorageError: a checkpoint cannot be written; the one before is intact.
        """
        total = self._config.optim.iterations
        main = self._machine.ranks.main
        display = Reporter(self._folder, self._done, total) if main else nullcontext()
        left = total - self._done
        tracing = traced(self._folder, left) if self._profile else nullcontext(no_trace)
        with (
            StopRequest() as stop,
            memory_explained(self._config),
            display as reporter,
            tracing as stepped,
        ):
            stream = self._batches(self._done + 1, total)
            for iteration, batch in enumerate(stream, self._done + 1):
                self._ledger.add(iteration, *self._learner.step(iteration, batch))
                stepped()
                if reporter:
                    reporter.advance()
                if self._after(iteration, stop.signal is not None, reporter):
                    return Outcome(iteration, stop.signal)
        return Outcome(total, None)

    def _batches(self, first: int, last: int) -> Iterator[TrainBatch]:
        device, _, ranks = self._machine
        total = self._config.optim.iterations
        frames = place_frames(self._pack, self._split.train, self._config.run.frames, device)
        stream = batches(frames, self._sampler, ranks, device, first, last)
        return (self._augmented(part, i, total) for i, part in enumerate(stream, first))

    def _augmented(self, batch: TrainBatch, iteration: int, iterations: int) -> TrainBatch:
        config, ranks = self._config, self._machine.ranks
        batch = augmented(batch, config.augment, config.seed, iteration, iterations, ranks)
        share = config.augment.erased
        if config.rival.method == RivalMethod.CHANNEL_AUGMENTATION:
            share = SHARE
        return channel_augmented(batch, share, config.seed, iteration, ranks)

    def _after(self, iteration: int, signalled: bool, reporter: Reporter | None) -> bool:
        """Does what is due after a step; returns whether to stop before the last one."""
        due = due_after(iteration, self._config, self._validates)
        stopping = self._stops(signalled, due)
        if due.look or stopping:
            rows = self._ledger.read()
            if reporter:
                reporter.steps(rows)
        if due.save or stopping:
            self._learner.require_finite(iteration)
        best = self._judge(iteration, due, reporter) if reporter else False
        if due.save or stopping:
            self._save(iteration, best)
        return stopping and not due.last

    def _stops(self, signalled: bool, due: Due) -> bool:
        """Whether any rank got a signal; ranks agree only where they wait for each other anyway."""
        alone = self._machine.ranks.world == 1
        return (due.look or alone) and agree(signalled, self._machine.device)

    def _judge(self, iteration: int, due: Due, reporter: Reporter) -> bool:
        """Centres, projects and validates where that is due; whether this is the best network so
        far."""
        if due.validate or due.last:
            self._finish()
        return self._validate(iteration, reporter) if due.validate else due.last

    def _finish(self) -> None:
        """What is fitted to training walks once trained."""
        device, precision, _ = self._machine
        network, records = self._learner.network, self._split.train
        if self._config.model.centred:
            centre_embeddings(network, self._pack, records, device, precision)
        if self._config.model.projection:
            fit_projection(network, [(self._pack, records)], device, precision)

    def _validate(self, iteration: int, reporter: Reporter) -> bool:
        """Scores the held-out people; whether none before was better (of equals, the later)."""
        device, precision, _ = self._machine
        network, records = self._learner.network, self._split.validation
        scores = validate(network, self._pack, records, device, precision)
        names = {f"{a} → {b}, {distance}": v for (a, b, distance), v in scores.items()}
        reporter.validation(iteration, names)
        own = [v for (_, _, distance), v in scores.items() if distance == self._config.distance]
        mean = sum(own) / len(own)
        if self._best is not None and mean < self._best:
            return False
        self._best = mean
        return True

    def _save(self, iteration: int, best: bool) -> None:
        if not self._machine.ranks.main:
            return
        pack, score = self._pack, self._best
        checkpoint = self._learner.checkpoint(iteration, pack.simulated, score, pack.range_style)
        checkpoint = replace(checkpoint, pack=self._identity, start=self._start)
        for name in [BEST, LAST] if best else [LAST]:
            save_checkpoint(self._folder / name, checkpoint)
