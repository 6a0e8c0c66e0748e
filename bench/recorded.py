"""A control: recorded people found by runs that were trained on simulated ones.

`python -m bench.recorded cmu_walks.tar.gz --rows base full` looks at finished runs of
bench.ablation. Recorded walks drive simulated bodies, seen by the simulated sensors under the
runs' own conditions and views. They are few, so intervals are wide; among them alone, chance is one
in their number. Each run leaves a record in `results/recorded`, of which tables are made as of the
others: `python -m bench.ablation --table --write`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from bench.ablation.page import RECORDED, read_runs
from bench.ablation.rows import BASE, FULL, chosen
from bench.ablation.table import tables
from bench.ablation.trial import RESULTS, RUNS, SEEDS, Trial, evaluate
from gait.cli import run
from gait.errors import ConfigError
from train.checkpoint import load_checkpoint
from train.device import pick_device, pick_precision, set_threads
from train.distributed import Ranks
from train.learner import Machine
from train.loop import LAST
from train.presets import differences, load_config
from train.simulate.config import SimulateConfig
from train.simulate.recorded import find_people
from train.storage import write_atomically
from train.walkers import walkers_pack


@dataclass(frozen=True)
class Command:
    """What the command line asks for.

    Args:
        motion: folder or .tar.gz of ASF/AMC or BVH files.
        rows: names of rows or groups of rows of bench.ablation.
        seeds: of the runs.
        preset: of the runs.
        runs: folder of the run folders.
        results: folder of the records.
    """

    motion: tyro.conf.Positional[Path]
    rows: tuple[str, ...] = (BASE, FULL)
    seeds: tuple[int, ...] = SEEDS
    preset: str = "benchmark"
    runs: Path = RUNS
    results: Path = RESULTS / RECORDED

    def trials(self) -> Iterator[Trial]:
        """Every run asked for.

        Raises:
            ConfigError: one is not finished, or was trained with other settings.
        """
        preset = load_config(self.preset)
        for row in chosen(self.rows):
            for seed in self.seeds:
                trial = Trial(preset, row, seed, self.runs, self.results)
                if trial.record() is None:
                    require_finished(trial)
                yield trial


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
    """Evaluates what has no record yet, and prints the tables of all records."""
    trials = list(command.trials())
    if not trials:
        raise ConfigError("got no row or no seed, need at least one of each")
    run_config = trials[0].preset.run
    set_threads(run_config)
    device = pick_device(run_config, Ranks())
    machine = Machine(device, pick_precision(run_config, device))
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
