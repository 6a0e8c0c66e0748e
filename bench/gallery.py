"""What a gallery of any size costs: `python -m bench.gallery --sizes 100000`.

Embeddings of people are sampled (bench/search/sampled_people.py) and enrolled through the gallery
itself, four a person. They have 40 numbers, as those of the model that comes with the package, or
with `--numbers 4096` as many as a network of full size without a projection gives. With `--bundle`
and `--dataset` they are spread as that model spreads those simulated people; without, a like spread
is assumed. Every stage runs in a process of its own, so that memory and cold starts are its own.
What is finished is in a JSON file, one for each record, index and numbers, and is not run again; an
enrolment that was interrupted goes on. Give another model another `--folder`. The record is
encrypted under the configured master key, which is made if there is none.

A record in PostgreSQL and an index in Milvus are given by their addresses. On a machine that has
no such servers, `python -m tests.servers postgres FOLDER $$` and `python -m tests.servers milvus
FOLDER $$` start them from the wheels that the tests use; they end with the shell, and a file in
FOLDER holds their ports.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from bench.measuring.process_memory import in_child
from bench.search import stages
from bench.search.sampled_people import FULL
from bench.search.stages import BLOCK, Results, Trial
from gait.cli import run
from gait.errors import DataError
from gait.progress import progress
from train.storage import write_atomically

STAGES: dict[str, Callable[[Trial], Results]] = {
    "answers": stages.answers,
    "fill": stages.fill,
    "start": stages.start_cold,
    "search": stages.search,
    "change": stages.change,
}

TARGETS = {
    "start first_answer_s": "≤ 20",
    "search one_p50_ms": "≤ 12",
    "search one_fused_p50_ms": "≤ 14",
    "search of_32_per_second": "≥ 150",
    "search steady_mb": "≤ 1,000",
    "search recall_1": "≥ 0.999",
}
"""At 1,000,000 templates, in a folder and in memory, on two cores."""


@dataclass(frozen=True)
class Arguments:
    """Measures galleries of several sizes."""

    bundle: Path | None = None
    """Model bundle of export.onnx, whose embeddings are fitted; needs --dataset."""
    dataset: Path | None = None
    """Tree of simulated people that the model was not trained on; needs --bundle."""
    folder: Path = Path("work/bench")
    """Where galleries, exact answers and results lie: 10 kB a template of 4,096 numbers."""
    numbers: int = 40
    """Of an embedding: 4096 for full size, or fewer."""
    sizes: tuple[int, ...] = (10_000, 100_000)
    """Templates; multiples of 1000."""
    record: str = "folder"
    """`folder`, or postgresql://HOST:PORT/DATABASE."""
    index: str = "memory"
    """`memory`, or milvus://HOST:PORT."""
    queries: int = 1000
    """Probes."""
    stages: tuple[str, ...] = tuple(STAGES)
    """Which stages to run."""
    json: bool = False
    """Print JSON instead of the table."""

    @property
    def source(self) -> tuple[Path, Path] | None:
        """What embeddings are fitted to.

        Raises:
            DataError: half of it is given.
        """
        if self.bundle is None and self.dataset is None:
            return None
        if self.bundle is None or self.dataset is None:
            raise DataError("got one of --bundle and --dataset, need both or neither")
        return self.bundle, self.dataset

    @property
    def results(self) -> Path:
        """The file of what was measured with this record and this index."""
        record, index = (text.split("://")[0] for text in (self.record, self.index))
        return self.folder / f"{record}-{index}-{self.numbers}.json"


def main() -> None:
    """Runs what is not finished yet and prints everything."""
    arguments = tyro.cli(Arguments, prog="python -m bench.gallery")
    if wrong := [size for size in arguments.sizes if size < BLOCK or size % BLOCK]:
        raise DataError(f"got sizes {wrong}, need multiples of {BLOCK}")
    if unknown := set(arguments.stages) - set(STAGES):
        raise DataError(f"got stages {sorted(unknown)}, there are {list(STAGES)}")
    if not 1 <= arguments.numbers <= FULL:
        raise DataError(f"got embeddings of {arguments.numbers} numbers, need 1 to {FULL}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    file = arguments.results
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    trial = _trials(arguments)
    jobs = [(size, stage) for size in arguments.sizes for stage in arguments.stages]
    with progress() as bar:
        for size, stage in bar.track(jobs, description="stages"):
            of_size = results.setdefault(str(size), {})
            if stage not in of_size:
                of_size[stage] = in_child(STAGES[stage], trial(size))
                write_atomically(file, json.dumps(results, indent=1).encode())
    shown = {size: results[str(size)] for size in arguments.sizes}
    print(json.dumps(shown, indent=1) if arguments.json else "\n".join(_table(shown)))


def _trials(arguments: Arguments) -> Callable[[int], Trial]:
    folder, numbers, queries = arguments.folder, arguments.numbers, arguments.queries
    source, index = arguments.source, arguments.index
    record = None if arguments.record == "folder" else arguments.record
    return lambda size: Trial(folder, numbers, size, queries, source, record, index)


def _table(results: dict[int, dict[str, Results]]) -> list[str]:
    cores = f"{len(os.sched_getaffinity(0))} cores"
    head = [f"{cores:36}", *(f"{size:>14,}" for size in results), f"{'aim at 10⁶':>14}"]
    names = [(s, k) for s in STAGES for k in dict.fromkeys(_keys(results, s))]
    lines = ["".join(head)]
    for stage, key in names:
        cells = [_shown(of_size.get(stage, {}).get(key)) for of_size in results.values()]
        cells.append(TARGETS.get(f"{stage} {key}", ""))
        lines.append(f"{stage} {key}".ljust(36) + "".join(f"{cell:>14}" for cell in cells))
    return [line.rstrip() for line in lines]


def _keys(results: dict[int, dict[str, Results]], stage: str) -> list[str]:
    return [key for of_size in results.values() for key in of_size.get(stage, {})]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


if __name__ == "__main__":
    run(main)
