"""Trains a run of the grid, evaluates it, and writes its record."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from bench.ablation.record import (
    PeopleScores,
    RunRecord,
    Scores,
    config_hash,
)
from bench.ablation.trial import Trial
from gait.errors import ConfigError, PackError
from gait.metrics import Distance
from train.checkpoint import load_network
from train.data.identity import PackIdentity
from train.data.pack import Pack
from train.data.split import split_people
from train.data.sustech1k import labels_of
from train.embed import embed_sequences
from train.loop.learner import Machine
from train.loop.training_run import LAST, TrainingRun
from train.protocols.outcomes import Lookup
from train.protocols.people import scores_alone, weighted_scores
from train.protocols.sustech1k import Comparison, compare_sustech1k
from train.report.metrics_log import read_metrics
from train.report.summary import DIRECTIONS
from train.run import Command, begin, resume_point
from train.storage import write_atomically

RANKS = (1, 5)
PROTOCOL = "sustech1k"
"""The layout whose protocol records are of; simulated walkers have it."""


def require_protocol(whose: str, layout: str) -> None:
    """Makes sure that people are scored by the protocol that is followed here.

    Args:
        whose: what is of this layout, for the message.
        layout: of a pack or a preset.

    Raises:
        ConfigError: it is one with another protocol.
    """
    if layout != PROTOCOL:
        raise ConfigError(
            f"got {whose} of layout {layout}, need {PROTOCOL}, whose protocol is followed here: "
            "of others train.evaluate writes a report, and compares with --against"
        )


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
    checkpoint = resume_point(command, pack, split, machine.ranks)
    training = TrainingRun(config, pack, split, trial.folder, machine, checkpoint)
    if checkpoint is None:
        begin(command, machine.ranks)
    outcome = training.run()
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
    identity = PackIdentity.of(pack.index)
    return RunRecord(
        preset=trial.preset.name,
        row=trial.row.name,
        seed=trial.seed,
        simulated=pack.simulated,
        simulator=identity.simulator,
        config=trial.config,
        config_sha256=config_hash(trial.config),
        commit=commit(),
        walks_sha256=identity.walks_sha256,
        frames_sha256=identity.frames_sha256,
        torch=torch.__version__,
        processor=_processor(device),
        losses=_last_losses(trial.folder),
        validation=_validation(trial.folder, trial.config.distance),
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
    for (probe, gallery), distance in product(DIRECTIONS, Distance):
        way = Lookup(probe, gallery, distance)
        for name, values in scores_alone(found, way).items():
            rank1 = values[:, found.layout.metrics.index("rank1")].round(2).tolist()
            yield PeopleScores(
                probe=probe,
                gallery=gallery,
                distance=distance,
                condition=name,
                rank1=tuple(None if np.isnan(v) else v for v in rank1),
            )


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


def _validation(folder: Path, distance: Distance) -> dict[str, float]:
    prefix, suffix = "validation_", f", {distance}"
    last: dict[str, float] = {}
    for line in read_metrics(folder):
        found = {n.removeprefix(prefix): v for n, v in line.items() if n.startswith(prefix)}
        last = found or last
    own = {n.removesuffix(suffix): v for n, v in last.items() if n.endswith(suffix)}
    return {name: round(value, 3) for name, value in own.items()}


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
