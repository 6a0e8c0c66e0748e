"""Whether a run may go on: with its own pack and start, and more steps if those done stay alike."""

from pathlib import Path

from train.checkpoint import Checkpoint, file_hash
from train.config import RivalMethod, TrainConfig
from train.data.identity import PackIdentity
from train.data.pack import Pack
from train.data.walkers import holds_walkers


def other_pack(checkpoint: Checkpoint, pack: Pack) -> list[str]:
    """In what a pack differs from the one that a run was trained on; nothing of old runs."""
    config, known = checkpoint.config, checkpoint.pack
    drawn = config.data.simulated and holds_walkers(pack, config.walkers)
    return known.changes(PackIdentity.of(pack.index), drawn=drawn) if known else []


def other_start(checkpoint: Checkpoint, start: Path | None) -> list[str]:
    """Whether a run began with other weights than these, in words; nothing of old runs.

    Raises:
        CheckpointError: there is no such file.
    """
    if start is None:
        return []
    digest, began = file_hash(start), checkpoint.start
    if began is None:
        return [f"--start {start} (it began without one)"] if checkpoint.pack else []
    return [f"--start {start} (it began with {began})"] if digest != began.sha256 else []


def lengthened(old: TrainConfig, new: TrainConfig, done: int) -> TrainConfig:
    """The old configuration with more iterations and other milestones, as far as they may change.

    They may where no step already done would have been another one.

    Args:
        old: of the run.
        new: what is wanted.
        done: steps already done.
    """
    if not_lengthened(old, new, done):
        return old
    more = max(old.optim.iterations, new.optim.iterations)
    changes = {"iterations": more, "milestones": new.optim.milestones}
    return old.model_copy(update={"optim": old.optim.model_copy(update=changes)})


def not_lengthened(old: TrainConfig, new: TrainConfig, done: int) -> list[str]:
    """Why steps already done would have been others, field by field. Arguments as `lengthened`."""
    reasons = []
    if new.optim.iterations > old.optim.iterations:
        if old.optim.schedule == "one_cycle":
            reasons.append("optim.schedule one_cycle spreads its rates over all iterations")
        if old.rival.method == RivalMethod.TWO_STAGE_DISTILLATION:
            reasons.append(f"rival.method {old.rival.method} has a stage in each half of the run")
        if old.augment.share and old.augment.ramp:
            ramp = f"augment.ramp {old.augment.ramp:g}"
            reasons.append(f"{ramp} lets augment.share rise over that part of all iterations")
    passed = [[m for m in config.optim.milestones if m < done] for config in (old, new)]
    if old.optim.schedule == "steps" and passed[0] != passed[1]:
        reasons.append(f"optim.milestones before step {done} lowered its rate")
    return reasons
