"""Trains DiffCrossGait: `python -m train.run [PRESET] [--pack PATH] [--out DIR] [--a.field X]`.

Without arguments: the preset `simulated` where there is a CUDA device, `demo` otherwise. The run
folder gets `config.yaml`, `metrics.jsonl`, `tensorboard/`, `last.pt`, `best.pt` and, at the end,
`results.json`, `cmc.png` and `report.html`. The same command again goes on where it stopped, also
with more `--optim.iterations` and later `--optim.milestones`, where no step already done depends on
them. A pack whose test people walked once each, or were seen from one side, is trained on but not
evaluated.
"""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
import yaml
from pydantic import ValidationError

from gait.cli import run
from gait.errors import ConfigError, EvaluationError, PackError, StorageError
from train.checkpoint import Checkpoint, load_checkpoint, same_style
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.split import Split, split_people
from train.data.walkers import walkers_pack
from train.dataset_layouts import layout_named
from train.loop.learner import Machine
from train.loop.trace import TRACE
from train.loop.training_run import BEST, LAST, TrainingRun
from train.loop.validate import can_validate
from train.machine.device import pick_device, pick_precision, set_threads
from train.machine.distributed import Ranks, process_group
from train.no_effect import no_effect
from train.presets import differences, explain, load_beginning, load_config, preset_names
from train.report.metrics_log import FILE as METRICS
from train.report.results import evaluate_run
from train.report.summary import summary_text
from train.resuming import lengthened, not_lengthened, other_pack, other_start
from train.storage import write_atomically

PROGRAM = "python -m train.run"


@dataclass(frozen=True)
class Command:
    """What the command line asks for.

    Args:
        config: what to train: a preset, changed field by field.
        pack: the packed dataset (python -m train.pack); simulated walkers need none.
        out: the run folder; runs/NAME if not given.
        restart: begin anew in a folder that holds a run.
        start: checkpoint whose weights a new run begins with, as far as they fit; every checkpoint
            of the run names it.
        profile: write a trace of a few steady steps into the run folder.
        json: print the results as JSON instead of tables.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    pack: Path | None = None
    out: Path | None = None
    restart: bool = False
    start: Path | None = None
    profile: bool = False
    json: bool = False

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out or Path("runs") / self.config.name


def parse(arguments: list[str]) -> Command:
    """The command from `[PRESET] [--options]`; a usage error ends the program with code 2.

    Raises:
        ConfigError: no such preset, or fields that do not go together.
    """
    preset = preset_of(arguments)
    options = arguments[1:] if arguments[:1] == [preset] else arguments
    description = (
        "Trains DiffCrossGait and evaluates it; interrupted, the same command goes on.\n\n"
        f"Presets: {', '.join(preset_names())}, or a .yaml file. "
        f"The defaults below are those of {preset}."
    )
    try:
        return tyro.cli(
            Command,
            args=options,
            default=Command(load_config(preset)),
            prog=f"{PROGRAM} [PRESET]",
            description=description,
            config=(tyro.conf.EnumChoicesFromValues,),
        )
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def preset_of(arguments: list[str]) -> str:
    """The preset that a command line begins with, or the default one."""
    named = bool(arguments) and not arguments[0].startswith("-")
    return arguments[0] if named else default_preset()


def default_preset() -> str:
    """What runs when nothing is asked for."""
    return "simulated" if torch.cuda.is_available() else "demo"


def main() -> None:
    """Runs the command line."""
    command = parse(sys.argv[1:])
    config, ranks = command.config, Ranks.from_environment()
    device = pick_device(config.run, ranks)
    threads = set_threads(config.run)
    machine = Machine(device, pick_precision(config.run, device), ranks)
    say(ranks, f"{config.name}: {config.optim.iterations} iterations on {_where(device, threads)}")
    say(ranks, f"results will lie in {command.folder}")
    if idle := no_effect(load_beginning(preset_of(sys.argv[1:])), config):
        say(ranks, f"no effect here: {', '.join(idle)}")
    pack = open_pack(command)
    split = split_people(pack.records, config)
    command = fitting(command, split, ranks)
    config = command.config
    if split.validation and not can_validate(split.validation):
        say(ranks, "the people held out were seen from one side, so nobody can look for them "
                   f"from another: {BEST} will be the last")  # fmt: skip
    checkpoint = resume_point(command, pack, split, ranks)
    start = load_checkpoint(command.start) if command.start and checkpoint is None else None
    if start is not None and not same_style(start, pack):
        say(ranks, f"note: {command.start} was trained on range views of style {start.range_style}")
    with process_group(ranks, device):
        training = TrainingRun(
            config, pack, split, command.folder, machine, checkpoint, command.profile
        )
        if start is not None and command.start is not None:
            say(ranks, f"begins with {training.begin_with(start, command.start)}")
        if checkpoint is None:
            begin(command, ranks)
        outcome = training.run()
    if (command.folder / TRACE).exists() and command.profile:
        say(ranks, f"trace: {command.folder / TRACE} (open it in https://ui.perfetto.dev)")
    if outcome.stopped_by is not None:
        say(ranks, f"stopped after iteration {outcome.iteration}, saved in {command.folder / LAST}")
        say(ranks, f"go on with the same command: {PROGRAM} {' '.join(sys.argv[1:])}")
        sys.exit(128 + outcome.stopped_by)
    if ranks.main:
        try:
            result = evaluate_run(command.folder, pack, machine)
        except EvaluationError as error:
            say(ranks, f"trained {command.folder / BEST}; its people give no test: {error}")
            return
        print(result.to_json() if command.json else summary_text(result))
        say(ranks, f"report: {command.folder / 'report.html'}")


def say(ranks: Ranks, line: str) -> None:
    """Prints a line on stderr, once however many processes there are."""
    if ranks.main:
        print(line, file=sys.stderr, flush=True)


def _where(device: torch.device, threads: int) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{threads} CPU threads"


def open_pack(command: Command) -> Pack:
    """The pack to train on; simulated walkers are made where the preset wants them.

    Raises:
        ConfigError: the preset needs a pack and none is given, or names no known layout.
        PackError: the pack is not one, of another layout than the preset's, or lacks a modality.
    """
    config = command.config
    layout_named(config.data.layout)
    if command.pack is not None:
        pack = Pack.open(command.pack)
    else:
        require_simulated(config)
        pack = walkers_pack(config.walkers)
    require_fitting(pack, config)
    return pack


def require_simulated(config: TrainConfig) -> None:
    """Makes sure that a configuration makes its people itself.

    Raises:
        ConfigError: it needs a pack.
    """
    if not config.data.simulated:
        raise ConfigError(
            f"the preset {config.name} needs a packed dataset: give --pack PATH, made with "
            "`python -m train.pack ROOT --partition P.json --out PATH`"
        )


def require_fitting(pack: Pack, config: TrainConfig) -> None:
    """Makes sure that a pack is what a configuration trains on.

    Raises:
        PackError: it is of another layout, or lacks a modality.
    """
    if pack.layout != config.data.layout:
        raise PackError(
            f"{pack.path} is a {pack.layout} pack, {config.name} is for {config.data.layout}: "
            f"give another pack, or the preset {pack.layout}"
        )
    for modality in config.model.modalities:
        pack.store(modality)


def fitting(command: Command, split: Split, ranks: Ranks) -> Command:
    """The command without a projection that its people are too few for."""
    config, people = command.config, len(split.classes)
    if config.model.projection is None or people > config.model.projection:
        return command
    say(
        ranks,
        f"embeddings are not projected to {config.model.projection} numbers: that needs more "
        f"people to train on than the {people} here",
    )
    model = config.model.model_copy(update={"projection": None})
    return replace(command, config=config.model_copy(update={"model": model}))


def resume_point(command: Command, pack: Pack, split: Split, ranks: Ranks) -> Checkpoint | None:
    """The checkpoint to go on from, if the run folder holds one and it is not to begin anew.

    Raises:
        ConfigError: the folder holds a run of another configuration, pack or start, or of other
            people; or a run is to begin anew with a file that would be removed first.
        CheckpointError: there is no file to start with.
    """
    folder, last = command.folder, command.folder / LAST
    if command.restart and command.start and command.start.resolve().parent == folder.resolve():
        raise ConfigError(
            f"got --start {command.start} and --restart, which removes the run in {folder}: give "
            "another --out"
        )
    if not last.exists() or command.restart:
        return None
    checkpoint = load_checkpoint(last)
    config = lengthened(checkpoint.config, command.config, checkpoint.iteration)
    changed = differences(config, command.config)
    if checkpoint.classes != split.classes:
        changed.append("the training people")
    changed += other_pack(checkpoint, pack) + other_start(checkpoint, command.start)
    if changed:
        reasons = not_lengthened(checkpoint.config, command.config, checkpoint.iteration)
        why = f" (steps already done would have been others: {'; '.join(reasons)})" * bool(reasons)
        raise ConfigError(
            f"{folder} holds a run with other settings: {', '.join(changed)}{why}; "
            "give another --out, the same settings, or --restart to begin anew"
        )
    if ranks.main and config != checkpoint.config:
        save_config(folder, command.config)
    begun = "" if checkpoint.start is None else f"; it began with {checkpoint.start}"
    say(ranks, f"going on from iteration {checkpoint.iteration} ({last}){begun}")
    if checkpoint.pack is None:
        say(ranks, "note: an older version wrote it, which does not say on which pack, nor with "
                   "which --start: make sure that they are these")  # fmt: skip
    return checkpoint


def begin(command: Command, ranks: Ranks) -> None:
    """Makes the folder ready for a first step, once nothing else can refuse the run.

    What an earlier run left there goes with `--restart` alone.
    """
    if not ranks.main:
        return
    if command.restart:
        clear(command.folder)
    save_config(command.folder, command.config)


def save_config(folder: Path, config: TrainConfig) -> None:
    """Writes `config.yaml` into a run folder."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    write_atomically(folder / "config.yaml", text.encode())


def clear(folder: Path) -> None:
    """Removes what an earlier run left in its folder, and nothing else."""
    try:
        for name in (LAST, BEST, METRICS, "results.json", "cmc.png", "report.html", TRACE):
            (folder / name).unlink(missing_ok=True)
        if (folder / "tensorboard").exists():
            shutil.rmtree(folder / "tensorboard")
    except OSError as error:
        raise StorageError(f"cannot clear {folder}: {error}") from error


if __name__ == "__main__":
    run(main)
