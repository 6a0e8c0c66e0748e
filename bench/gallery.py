"""What a gallery of any size costs: `python -m bench.gallery --bundle B --dataset D`.

The embeddings are sampled (bench/search/sampled_people.py) as a model spreads those of simulated
people, have 4,096 numbers, and are enrolled through the gallery itself, four a person. Every stage
runs in a process of its own, so that memory and cold starts are its own; what is finished is in a
JSON file, one for each `--index`, and is not run again; an enrolment that was interrupted goes on.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from gallery.index.rung import RungName

from bench.measuring.process_memory import in_child
from bench.search import stages
from bench.search.sampled_people import NUMBERS, PARTS
from bench.search.stages import BLOCK, Results, Trial
from gait.cli import run
from gait.errors import DataError
from gait.golden import Golden
from gait.manifest import FileRecord, Manifest, Shape, contract_id
from gait.progress import progress
from gait.variant import Variant
from train.storage import write_atomically

STAGES: dict[str, Callable[[Trial], Results]] = {
    "answers": stages.answers,
    "fill": stages.fill,
    "from_store": stages.start_cold,
    "search": stages.search,
    "change": stages.change,
}


@dataclass(frozen=True)
class Arguments:
    """Measures galleries of several sizes."""

    bundle: Path
    """Model bundle of export.onnx, whose embeddings are fitted."""
    dataset: Path
    """Tree of simulated people that the model was not trained on."""
    folder: Path = Path("work/bench")
    """Where galleries, embeddings and results lie: 17 kB a template."""
    sizes: tuple[int, ...] = (10_000, 100_000)
    """Templates; multiples of 1000."""
    queries: int = 1000
    """Probes."""
    stages: tuple[str, ...] = tuple(STAGES)
    """Which stages to run."""
    index: Literal["auto", "exact", "int8", "bits"] = "auto"
    """How the gallery holds embeddings for search; auto leaves it to their number."""
    json: bool = False
    """Print JSON instead of the table."""


def main() -> None:
    """Runs what is not finished yet and prints everything."""
    arguments = tyro.cli(Arguments, prog="python -m bench.gallery")
    if wrong := [size for size in arguments.sizes if size < BLOCK or size % BLOCK]:
        raise DataError(f"got sizes {wrong}, need multiples of {BLOCK}")
    if unknown := set(arguments.stages) - set(STAGES):
        raise DataError(f"got stages {sorted(unknown)}, there are {list(STAGES)}")
    full_size_bundle(arguments.bundle, arguments.folder / "bundle")
    file = arguments.folder / f"gallery-{arguments.index}.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    jobs = [(size, stage) for size in arguments.sizes for stage in arguments.stages]
    with progress() as bar:
        for size, stage in bar.track(jobs, description="stages"):
            of_size = results.setdefault(str(size), {})
            if stage not in of_size:
                of_size[stage] = in_child(STAGES[stage], _trial(arguments, size))
                write_atomically(file, json.dumps(results, indent=1).encode())
    shown = {size: results[str(size)] for size in arguments.sizes}
    print(json.dumps(shown, indent=1) if arguments.json else "\n".join(_table(shown)))


def full_size_bundle(bundle: Path, copy: Path) -> None:
    """A copy of a bundle that says its embeddings have full size; it cannot embed.

    A gallery only asks a bundle whose embeddings it holds and how long they are.
    """
    if copy.exists():
        return
    copy.mkdir(parents=True)
    manifest = Manifest.load(bundle)
    shape = Shape(parts=PARTS, dim=NUMBERS)
    contents = {name: data + b"\0" for name, data in manifest.contents(bundle).items()}
    files = {name: FileRecord.of(data) for name, data in contents.items()}
    golden = Golden.of(0, (1,), np.zeros((1, PARTS, NUMBERS), np.float32), 1e-3)
    models = {
        m: model.model_copy(update={"golden": golden}) for m, model in manifest.models.items()
    }
    for name, data in contents.items():
        (copy / name).write_bytes(data)
    contract = contract_id(models, files)
    fp32 = manifest.variants[Variant.FP32].model_copy(update={"models": models})
    update = {"embedding": shape, "files": files, "contract": contract}
    update |= {"variants": {Variant.FP32: fp32}}
    manifest.model_copy(update=update).save(copy)


def _trial(arguments: Arguments, size: int) -> Trial:
    return Trial(
        arguments.folder,
        size,
        arguments.queries,
        arguments.bundle,
        arguments.dataset,
        None if arguments.index == "auto" else RungName(arguments.index),
    )


def _table(results: dict[int, dict[str, Results]]) -> list[str]:
    names = [(s, k) for s in STAGES for k in _keys(results, s)]
    lines = ["".join([f"{os.cpu_count()} cores".ljust(36), *(f"{n:>14,}" for n in results)])]
    for stage, key in names:
        cells = [_shown(of_size.get(stage, {}).get(key)) for of_size in results.values()]
        lines.append("".join([f"{stage} {key}".ljust(36), *(f"{cell:>14}" for cell in cells)]))
    return lines


def _keys(results: dict[int, dict[str, Results]], stage: str) -> Sequence[str]:
    return list(dict.fromkeys(k for r in results.values() for k in r.get(stage, {})))


def _shown(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,.4g}"


if __name__ == "__main__":
    run(main)
