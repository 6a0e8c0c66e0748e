"""One run of the grid: its settings, its folders, and its record if it is finished."""

from dataclasses import dataclass
from pathlib import Path

from bench.ablation.record import RunRecord, pack_data
from bench.ablation.rows import Row, chosen, configured, original
from gait.errors import ConfigError
from train.config import TrainConfig
from train.data.pack import Pack
from train.presets import differences, load_config

RESULTS, RUNS = Path("results"), Path("runs")
SEEDS = (3, 4, 5)
"""Those that had no part in choosing settings."""
ROWS_BY_DEFAULT = ("phases",)


@dataclass(frozen=True)
class Trial:
    """A row and a seed.

    Args:
        preset: the benchmark.
        row: of the ablation.
        seed: of the run.
        runs: folder of the run folders, where an interrupted run goes on.
        results: folder of the records.
    """

    preset: TrainConfig
    row: Row
    seed: int
    runs: Path
    results: Path

    @property
    def config(self) -> TrainConfig:
        """What is trained."""
        return configured(self.preset, self.row, self.seed)

    @property
    def name(self) -> str:
        """Such as `full-0`."""
        return f"{self.row.name}-{self.seed}"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.runs / self.preset.name / self.name

    @property
    def path(self) -> Path:
        """Where the record is, or will be."""
        return self.results / self.preset.name / f"{self.name}.json"

    def record(self, pack: Pack | None = None) -> RunRecord | None:
        """The record, if the run is finished.

        Raises:
            ConfigError: it is of other settings or, if a pack is given, other people.
            EvaluationError: it is damaged.
        """
        if not self.path.exists():
            return None
        record = RunRecord.read(self.path)
        changed = differences(record.config, self.config)
        if pack is not None and record.data != pack_data(pack.index):
            changed.append("the people")
        if changed:
            raise ConfigError(
                f"{self.path} was made with other settings: {', '.join(changed)}; "
                "restore them, or remove the file to run it again"
            )
        return record


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Runs chosen on a command line.

    Args:
        rows: names of rows or groups of rows of bench.ablation (see its --list); not given: phases.
        seeds: of the runs; every row runs with each; not given: 3 to 5, as 0 to 2 helped to choose
            the settings.
        preset: the benchmark: benchmark (two CPU cores), benchmark_gpu, or a .yaml file.
        results: folder of the records.
        runs: folder of the unfinished and finished run folders.
    """

    rows: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    preset: str = "benchmark"
    results: Path = RESULTS
    runs: Path = RUNS

    @property
    def chosen_rows(self) -> list[Row]:
        """The rows.

        Raises:
            ConfigError: there is no such row.
        """
        return chosen(ROWS_BY_DEFAULT if self.rows is None else self.rows)

    @property
    def chosen_seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return SEEDS if self.seeds is None else self.seeds

    def trials(self) -> list[Trial]:
        """Every run chosen, seed by seed, so that the first table has every row once.

        A row that is another one with this preset, as `base-3000` is `base` where that is the
        preset's length, stands for that one.

        Raises:
            ConfigError: no run is chosen, or there is no such row or preset.
        """
        preset = load_config(self.preset)
        rows = {row.name: row for row in (original(preset, row) for row in self.chosen_rows)}
        trials = [
            Trial(preset, row, seed, self.runs, self.results)
            for seed in self.chosen_seeds
            for row in rows.values()
        ]
        if not trials:
            raise ConfigError("got no row or no seed, need at least one of each (see --list)")
        return trials
