"""One run of the grid: trained, evaluated, and written down as a record."""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from bench.ablation.record import (
    Data,
    PeopleScores,
    RunRecord,
    Scores,
    comparable_data,
    config_hash,
)
from bench.ablation.rows import Row, chosen, configured
from gait.errors import ConfigError, PackError
from gait.metrics import Distance
from train.checkpoint import load_network
from train.config import TrainConfig
from train.data.pack import Index, Pack
from train.embed import embed_sequences
from train.learner import Machine
from train.loop import LAST, TrainingRun
from train.metrics_log import read_metrics
from train.presets import differences, load_config
from train.protocols.outcomes import Lookup
from train.protocols.people import scores_alone, weighted_scores
from train.protocols.sustech1k import Comparison, compare_sustech1k
from train.report.summary import DIRECTIONS
from train.results import labels_of
from train.run import Command, resume_point
from train.split import split_people
from train.storage import write_atomically

RANKS = (1, 5)
RESULTS, RUNS = Path("results"), Path("runs")
SEEDS = (3, 4, 5)
"""Those that had no part in choosing settings."""


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
        if pack is not None and record.data != _data(pack.index):
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
        rows: names of rows or groups of rows of bench.ablation (see its --list).
        seeds: of the runs; every row runs with each. 0 to 2 helped to choose the settings.
        preset: the benchmark: benchmark (two CPU cores), benchmark_gpu, or a .yaml file.
        results: folder of the records.
        runs: folder of the unfinished and finished run folders.
    """

    rows: tuple[str, ...] = ("phases",)
    seeds: tuple[int, ...] = SEEDS
    preset: str = "benchmark"
    results: Path = RESULTS
    runs: Path = RUNS

    def trials(self) -> list[Trial]:
        """Every run chosen, seed by seed, so that the first table has every row once.

        Raises:
            ConfigError: no run is chosen, or there is no such row or preset.
        """
        preset = load_config(self.preset)
        trials = [
            Trial(preset, row, seed, self.runs, self.results)
            for seed in self.seeds
            for row in chosen(self.rows)
        ]
        if not trials:
            raise ConfigError("got no row or no seed, need at least one of each (see --list)")
        return trials


def run_trial(trial: Trial, pack: Pack, machine: Machine) -> bool:
    """Trains and evaluates, from where an earlier process left off.

    Of several processes one works on a trial. The lock is the operating system's, so it ends with
    the process that holds it, however that ends.

    Returns:
        Whether the record is there now: False while another process works on it.

    Raises:
        ConfigError: the run folder or the record is of other settings.
        SystemExit: a signal stopped the training, after it was saved.
    """
    trial.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(trial.folder / ".lock", blocking=False):
            if trial.record(pack) is None:
                _train(trial, pack, machine)
                record = evaluate(trial, pack, machine)
                write_atomically(trial.path, record.to_json().encode())
            return True
    except Timeout:
        return False


def _train(trial: Trial, pack: Pack, machine: Machine) -> None:
    config = trial.config
    split = split_people(pack.records, config)
    command = Command(config, out=trial.folder)
    checkpoint = resume_point(command, split, machine.ranks)
    outcome = TrainingRun(config, pack, split, trial.folder, machine, checkpoint).run()
    if outcome.stopped_by is not None:
        print(f"stopped after iteration {outcome.iteration} of {trial.name}", file=sys.stderr)
        sys.exit(128 + outcome.stopped_by)


def evaluate(trial: Trial, pack: Pack, machine: Machine) -> RunRecord:
    """Scores the last checkpoint on the pack's test people, and on those held out.

    The last one, not the best on held-out people: their choice would add noise of its own.

    Raises:
        PackError: the pack has no test people.
        EvaluationError: the test people lack gallery or probes.
    """
    records = [record for record in pack.records if record.split == "test"]
    if not records:
        raise PackError(f"{pack.path} has no test people to evaluate on")
    device, precision, _ = machine
    network = load_network(trial.folder / LAST, device)
    embeddings = embed_sequences(network, pack, records, device, precision)
    found = compare_sustech1k(*embeddings, labels_of(records), RANKS)
    return RunRecord(
        preset=trial.preset.name,
        row=trial.row.name,
        seed=trial.seed,
        simulated=pack.simulated,
        config=trial.config,
        config_sha256=config_hash(trial.config),
        commit=commit(),
        walks_sha256=walks_hash(pack.index),
        frames_sha256=frames_hash(pack.index),
        torch=torch.__version__,
        processor=_processor(device),
        losses=_last_losses(trial.folder),
        validation=_validation(trial.folder),
        people=tuple(found.people.tolist()),
        scores=tuple(_scores(found)),
        people_scores=tuple(_alone(found)),
    )


def _scores(found: Comparison) -> Iterator[Scores]:
    everybody = np.ones((1, found.layout.people))
    for (probe, gallery), distance in product(DIRECTIONS, Distance):
        way = Lookup(probe, gallery, distance)
        for name, values in weighted_scores(found, way, everybody).items():
            metrics = dict(zip(found.layout.metrics, values[0].round(3).tolist(), strict=True))
            yield Scores(
                probe=probe,
                gallery=gallery,
                distance=distance,
                condition=name,
                rank1=metrics["rank1"],
                rank5=metrics["rank5"],
                mAP=metrics["mAP"],
            )


def _alone(found: Comparison) -> Iterator[PeopleScores]:
    for probe, gallery in DIRECTIONS:
        way = Lookup(probe, gallery, Distance.COSINE)
        for name, values in scores_alone(found, way).items():
            rank1 = values[:, found.layout.metrics.index("rank1")].round(2).tolist()
            yield PeopleScores(
                probe=probe,
                gallery=gallery,
                condition=name,
                rank1=tuple(None if np.isnan(v) else v for v in rank1),
            )


def walks_hash(index: Index) -> str:
    """sha256 of who is in a pack, in which walks and in which split."""
    walks = [(r.subject, r.type, r.view, r.split) for r in index.records]
    return hashlib.sha256(json.dumps(walks).encode()).hexdigest()


def frames_hash(index: Index) -> str:
    """sha256 of a pack's frames, by the hashes of its stores."""
    return hashlib.sha256(index.model_dump_json(include={"stores"}).encode()).hexdigest()


def _data(index: Index) -> Data:
    return comparable_data(walks_hash(index), frames_hash(index), index.simulated)


def commit() -> str | None:
    """The code's commit, with `+` if tracked files differ from it; None outside a repository or
    without git.
    """
    here = Path(__file__).parent
    try:
        head, changes = (
            subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=False)
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "-s", "-uno", *_CODE))
        )
    except FileNotFoundError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + "+" * bool(changes.stdout.strip())


_CODE = ("--", ":/gait", ":/train", ":/bench", ":/configs")


def _last_losses(folder: Path) -> dict[str, float]:
    steps = [line for line in read_metrics(folder) if "total" in line]
    last = steps[-max(1, len(steps) // 20) :]
    names = [name for name in last[-1] if name not in ("iteration", "lr")]
    return {name: float(f"{np.mean([row[name] for row in last]):.4g}") for name in names}


def _validation(folder: Path) -> dict[str, float]:
    prefix = "validation_"
    last: dict[str, float] = {}
    for line in read_metrics(folder):
        last = {n.removeprefix(prefix): v for n, v in line.items() if n.startswith(prefix)} or last
    return {name: round(value, 3) for name, value in last.items()}


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
