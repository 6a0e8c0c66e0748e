"""A control: recorded people found by runs that were trained on simulated ones.

`python -m bench.recorded cmu_walks.tar.gz --rows base full` looks at finished runs of
bench.ablation. Recorded walks drive simulated bodies, seen by the simulated sensors under the
runs' own conditions and views. They are few, so intervals are wide; among them alone, chance is one
in their number. Each run leaves a record in `results/recorded`, of which tables are made as of the
others: `python -m bench.ablation --table --write`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from bench.ablation.page import RECORDED, read_runs
from bench.ablation.rows import BASE, FULL
from bench.ablation.running import evaluate
from bench.ablation.table import tables
from bench.ablation.trial import RESULTS, Selection, Trial
from bench.training.machine import make_machine
from gait.cli import run
from gait.errors import ConfigError
from train.checkpoint import load_checkpoint
from train.data.walkers import walkers_pack
from train.loop.training_run import LAST
from train.presets import differences
from train.simulate.config import SimulateConfig
from train.simulate.movement.recorded import find_people
from train.storage import write_atomically


@dataclass(frozen=True, kw_only=True)
class Command(Selection):
    """What the command line asks for.

    Args:
        motion: folder or .tar.gz of ASF/AMC or BVH files.
    """

    motion: tyro.conf.Positional[Path]
    rows: tuple[str, ...] = (BASE, FULL)
    results: Path = RESULTS / RECORDED


def require_finished(trial: Trial) -> None:
    """Nothing, if the run's last checkpoint is that of the row after all its iterations.

    Raises:
        CheckpointError: there is none to read.
        ConfigError: it is of other settings, or not finished.
    """
    path = trial.folder / LAST
    checkpoint = load_checkpoint(path)
    changed = differences(checkpoint.config, trial.config)
    if changed:
        raise ConfigError(f"{path} was trained with other settings: {', '.join(changed)}")
    if checkpoint.iteration < trial.config.optim.iterations:
        raise ConfigError(
            f"{path} is of iteration {checkpoint.iteration}, "
            f"need {trial.config.optim.iterations}: finish it with bench.ablation"
        )


def main(command: Command) -> None:
    """Evaluates what has no record yet, and prints the tables of all records.

    Raises:
        ConfigError: a run is not finished, or was trained with other settings.
    """
    trials = command.trials()
    for trial in trials:
        if trial.record() is None:
            require_finished(trial)
    machine = make_machine(trials[0].preset.run)
    for trial in trials:
        pack = walkers_pack(recorded_walkers(trial.config.walkers, command.motion))
        if trial.record(pack) is None:
            print(trial.name, file=sys.stderr, flush=True)
            record = evaluate(trial, pack, machine)
            write_atomically(trial.path, record.to_json().encode())
    print(tables(read_runs(trials[0].preset, command.results), missing=False))


def recorded_walkers(walkers: SimulateConfig, motion: Path) -> SimulateConfig:
    """The same conditions, views and distances with recorded people alone, nobody to train on.

    Raises:
        MotionFileError: as `find_people`.
    """
    changes = {
        "subjects": 0,
        "train": 0,
        "motion": str(motion.resolve()),
        "seed": walkers.seed + 1000,
    }
    return find_people(SimulateConfig.model_validate(walkers.model_dump(mode="json") | changes))


if __name__ == "__main__":
    run(lambda: main(tyro.cli(Command, prog="python -m bench.recorded", description=__doc__)))
