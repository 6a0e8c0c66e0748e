"""What each part of the method is worth: `python -m bench.ablation [--rows ...] [--seeds ...]`.

Runs what is missing of the chosen rows and prints their table. Killed, it goes on where it was;
started twice, the two processes take different runs. Each finished run is one JSON in
`results/PRESET`, and tables come from those alone: `--table` runs nothing and prints all rows and
seeds where none are chosen. `--write` also puts the tables of all into results/tables.md and the
pages of docs that show some.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from bench.ablation.page import read_runs, write_pages
from bench.ablation.rows import GROUPS, ROWS, chosen, original
from bench.ablation.running import require_protocol, run_trial
from bench.ablation.table import Runs, against_table, tables
from bench.ablation.trial import Selection
from bench.measuring.options import OtherPeople
from bench.training.machine import make_machine
from gait.cli import run
from gait.errors import ConfigError
from train.data.pack import Pack
from train.data.walkers import walkers_pack
from train.presets import load_config
from train.run import require_fitting, require_simulated


@dataclass(frozen=True)
class Command(Selection):
    """What the command line asks for.

    Args:
        listing: print the rows, and which seeds are done, and stop.
        table: print the tables of what is done, of all rows and seeds where none are chosen, and
            stop.
        against: a row: print what the chosen rows score above or below it, and stop.
        write: also write those of all rows into results/tables.md and the pages of docs that show
            some.
    """

    pack: OtherPeople = None
    listing: Annotated[bool, tyro.conf.arg(name="list")] = False
    table: bool = False
    against: str | None = None
    write: bool = False


def main() -> None:
    """Runs the command line."""
    command = tyro.cli(Command, prog="python -m bench.ablation", description=__doc__)
    if command.listing:
        print(rows_text(command))
        return
    if command.against is not None:
        print(against_text(command, command.against))
        return
    if not command.table:
        finished = run_missing(command)
        if not finished:
            print("other processes still work on some of these runs", file=sys.stderr)
    print(tables_text(command) or "no such run is finished yet")
    if command.write:
        write_pages(command.results)


def tables_text(command: Command) -> str:
    """The tables of the chosen rows and seeds.

    Raises:
        ConfigError: there is no such row.
    """
    preset = load_config(command.preset)
    every = command.table and command.rows is None
    rows = None if every else [original(preset, row) for row in command.chosen_rows]
    runs = read_runs(preset, command.results)
    if not command.table or command.seeds is not None:
        runs = of_seeds(runs, command.chosen_seeds)
    return tables({row: own for row, own in runs.items() if own}, shown=rows)


def against_text(command: Command, name: str) -> str:
    """The paired differences of the chosen rows to any one row.

    Raises:
        ConfigError: no such row, or its people are not theirs.
    """
    if name not in ROWS:
        chosen([name])  # says which there are
        raise ConfigError(f"got the group {name}, need one row to compare with")
    runs = read_runs(load_config(command.preset), command.results)
    wanted = of_seeds(runs, command.chosen_seeds)
    return against_table(wanted, ROWS[name], command.chosen_rows)


def of_seeds(runs: Runs, seeds: Sequence[int]) -> Runs:
    """The runs of some seeds; rows without any are empty."""
    return {row: {s: own[s] for s in seeds if s in own} for row, own in runs.items()}


def rows_text(command: Command) -> str:
    """The rows by group, and which seeds are done."""
    preset = load_config(command.preset)
    runs = read_runs(preset, command.results)
    names = max(map(len, ROWS)) + 2
    width = max(len(row.what) for row in ROWS.values()) + 2
    lines = []
    for group, rows in GROUPS.items():
        lines.append(f"{group}:")
        for row in rows:
            done = " ".join(map(str, runs.get(row.name, {}))) or "none"
            first = original(preset, row).name
            said = f"seeds done: {done}" if first == row.name else f"with {preset.name}: {first}"
            lines.append(f"  {row.name:<{names}}{row.what:<{width}}{said}")
    return "\n".join(lines)


def run_missing(command: Command) -> bool:
    """Runs what is missing; whether every chosen run is finished now.

    Raises:
        ConfigError: no run is chosen, a row does not go with the preset or the pack, or the preset
            needs a pack.
        PackError: the pack is of another layout than the preset's, or lacks a modality.
    """
    trials = command.trials()
    for trial in trials:
        _ = trial.config  # one that does not go with the preset is an error before any work
    missing = [trial for trial in trials if trial.record() is None]
    preset = trials[0].preset
    require_protocol(f"the preset {preset.name}", preset.data.layout)
    pack = Pack.open(command.pack) if command.pack else None
    for trial in missing:
        if pack is not None:
            require_fitting(pack, trial.config)
        else:
            require_simulated(trial.config)
    if pack and any("walkers" in trial.row.changes for trial in missing):
        raise ConfigError("got a pack and rows that have people of their own: give no --pack")
    machine = make_machine(preset.run)
    finished = True
    for number, trial in enumerate(missing, 1):
        print(f"run {number} of {len(missing)}: {trial.name}", file=sys.stderr, flush=True)
        people = pack or walkers_pack(trial.config.walkers)
        finished &= run_trial(trial, people, machine)
    return finished


if __name__ == "__main__":
    run(main)
