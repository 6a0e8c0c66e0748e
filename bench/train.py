"""Speed and memory of training steps: `python -m bench.train [PRESET] [--pack PACK]`.

The step is the one that trains (`train.loop.learner`). One row is the default, one the plain path,
and each other differs from the default in one thing. The rows take turns, so that what else the
machine does meets all of them, and ratios are taken within a turn. Beside them: the machine's best
matrix products and copies, measured in the same run, and the step's FLOPs and bytes, counted op by
op.

It needs torch, numpy, pydantic, tyro, yaml and rich, for the rows of torch.compile a C++ compiler,
and no dataset. On CUDA it sets the targets of the full-size recipe beside what it found.
"""

import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from bench.measuring.options import OutFile
from bench.training.machine import make_machine
from bench.training.step_cost import OpCost, Rates, copy_peak, count_step, matmul_peak
from bench.training.step_table import (
    Seconds,
    StepResult,
    counts_table,
    ops_table,
    step_result,
    steps_table,
    targets_table,
)
from bench.training.timed_training import Trainer, memory_alone, open_frames
from bench.training.variants import BASE, DEFAULT, OTHERS, PLAIN, changed, rows_named, variants
from gait.cli import run
from gait.errors import ConfigError
from gait.progress import progress
from train.config import TrainConfig
from train.data.pack import Pack
from train.data.split import split_people
from train.presets import load_config
from train.storage import require_place, write_atomically

Costs = Mapping[str, Mapping[str, OpCost]]


def main(
    preset: Annotated[str | None, tyro.conf.Positional] = None,
    pack: Path | None = None,
    iterations: int = 40,
    turns: int = 10,
    rows: tuple[str, ...] | None = None,
    memory: bool = True,
    steady: int | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None,
    cudnn_benchmark: bool = True,
    costs: bool = True,
    count: bool = False,
    tflops: float | None = None,
    tbytes: float | None = None,
    out: OutFile = None,
) -> None:
    """Measures, and prints tables.

    Args:
        preset: of configs/, or a .yaml file; sustech1k (full size) on CUDA, else demo.
        pack: the packed dataset; noise if not given.
        iterations: timed steps of each row.
        turns: how often each row comes; they share its iterations.
        rows: names of the rows to set against the default; if not given all, but torch.compile
            only on CUDA.
        memory: on a CPU, also train each row in a process of its own to see its peak memory.
        steady: steps that the fastest row then does in a row; 500 on CUDA, none on a CPU.
        precision: instead of the preset's.
        cudnn_benchmark: no: cuDNN searches for no fastest algorithms, whatever the preset says.
        costs: count FLOPs and bytes of each row, which takes seconds of a processor.
        count: only count FLOPs and bytes, which computes nothing: full size goes anywhere.
        tflops, tbytes: with --count, a GPU's best TFLOP/s and TB/s, to predict its steps.

    Raises:
        ConfigError: there is no such preset or row, or there are more turns than iterations.
    """
    if not 1 <= turns <= iterations:
        raise ConfigError(f"got {turns} turns for {iterations} iterations, need 1 to {iterations}")
    require_place(out)
    config = load_config(preset or ("sustech1k" if torch.cuda.is_available() else "demo"))
    if precision is not None:
        config = changed(config, "run", {"precision": precision})
    if not cudnn_benchmark:
        config = changed(config, "run", {"cudnn_benchmark": False})
    device = make_machine(config.run).device
    picked = pick_rows(variants(config, device), rows, device)
    opened = open_frames(pack, config)
    if count:
        rates = Rates(tflops * 1e12, tbytes * 1e12) if tflops and tbytes else None
        counted = count_rows(picked, opened, rates, gpu=rates is not None or device.type == "cuda")
        print(f"{counts_table(counted)}\n\n{ops_table(counted[DEFAULT])}")
        return
    peaks = {dtype: matmul_peak(device, dtype) for dtype in _precisions(picked)}
    about: dict[str, object] = {
        "preset": config.name,
        "machine": _machine(device),
        "frames": "noise" if pack is None else str(pack),
        "matmul_flops": {str(dtype): peak for dtype, peak in peaks.items()},
        "copy_bytes": copy_peak(device),
    }
    counted = count_rows(picked, opened, gpu=device.type == "cuda") if costs else {}
    trainers = {name: Trainer(c, opened, make_machine(c.run)) for name, c in picked.items()}
    about["not_compiled"] = [name for name, trainer in trainers.items() if trainer.fell_back]
    watched = picked if memory and device.type == "cpu" else {}
    alone = {name: memory_alone(c, pack) for name, c in watched.items()}
    images = 2 * config.batch.subjects * config.batch.sequences * config.batch.frames

    def write(rows: list[StepResult], further: Mapping[str, object]) -> None:
        if out is not None:
            ops = {name: {op: asdict(c) for op, c in ops.items()} for name, ops in counted.items()}
            whole = {**about, **further, "rows": [asdict(row) for row in rows], "ops": ops}
            write_atomically(out, json.dumps(whole, indent=2).encode())

    found: list[StepResult] = []
    for seconds in take_turns(trainers, iterations // turns, turns):
        found = [
            step_result(
                name,
                seconds[name],
                seconds[DEFAULT],
                images,
                counted.get(name, {}),
                peaks[make_machine(c.run).precision],
                trainers[name].peak_bytes or alone.get(name),
            )
            for name, c in picked.items()
        ]
        write(found, {})  # so that what was measured is there if this is ended
    print(report(about, found, counted))
    if device.type == "cuda":
        print(f"\n{targets_table({row.name: row for row in found})}")
        steady = 500 if steady is None else steady
    if steady:
        own = [row for row in found if row.name not in OTHERS]
        fastest = min(own, key=lambda row: row.median).name
        took = seconds_in_a_row(trainers[fastest], steady)
        write(found, {"in_a_row": {"row": fastest, "steps": steady, "seconds": took}})
        print(f"{steady} steps of {fastest!r} in a row: {took:.4f} s each, "
              f"40,000 in {40_000 * took / 3600:.2f} h")  # fmt: skip


def pick_rows(
    every: Mapping[str, TrainConfig], names: Iterable[str] | None, device: torch.device
) -> Mapping[str, TrainConfig]:
    """The rows of these names; if None all, on a CPU without the minutes of torch.compile."""
    if names is not None:
        return rows_named(every, names)
    compiling = device.type == "cuda"
    return {name: c for name, c in every.items() if compiling or c.run.compile == "nothing"}


def take_turns(
    trainers: Mapping[str, Trainer], steps: int, turns: int
) -> Iterator[dict[str, Seconds]]:
    """Seconds `(turns, steps, 4)` of every row, of all turns so far, after each turn."""
    taken: dict[str, list[Seconds]] = {name: [] for name in trainers}
    with progress() as bar:
        task = bar.add_task("timing", total=turns * len(trainers), note="")
        for _ in range(turns):
            for name, trainer in trainers.items():
                bar.update(task, note=name)
                taken[name].append(trainer.turn(steps))
                bar.advance(task)
            yield {name: np.stack(rows) for name, rows in taken.items()}


def seconds_in_a_row(trainer: Trainer, steps: int) -> float:
    """Of each of many steps, by the clock from the first to the last."""
    before = time.perf_counter()
    trainer.turn(steps)
    return (time.perf_counter() - before) / (steps + 1)


def count_rows(
    picked: Mapping[str, TrainConfig], pack: Pack, rates: Rates | None = None, *, gpu: bool
) -> dict[str, dict[str, OpCost]]:
    """What a step of each row costs; one compiled or recorded is counted as if it were not."""
    found = {}
    for name, config in picked.items():
        eager = changed(config, "run", {"compile": "nothing", "graph": False})
        subjects = len(split_people(pack.records, config).classes)
        found[name] = count_step(
            eager, subjects, make_machine(config.run).precision, rates, gpu=gpu
        )
    return found


def report(about: Mapping[str, object], rows: list[StepResult], costs: Costs) -> str:
    """All tables, and the ratios of the default to plain and base."""
    found = {row.name: row for row in rows}
    lines = [f"{name}: {value}" for name, value in about.items()]
    lines += ["", steps_table(rows), "", *([ops_table(costs[DEFAULT]), ""] if costs else [])]
    if PLAIN in found:
        middle, low, high = found[PLAIN].relative
        lines.append(f"default against plain: {middle:.2f} times as fast ({low:.2f} to {high:.2f})")
    if BASE in found:
        shares = [f"{1 / times - 1:+.1%}" for times in found[BASE].relative]
        lines.append(f"the diffusion branch adds {shares[0]} to base ({shares[2]} to {shares[1]})")
    return "\n".join(lines)


def _precisions(picked: Mapping[str, TrainConfig]) -> list[torch.dtype]:
    return sorted({make_machine(c.run).precision for c in picked.values()}, key=str)


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    name = platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.train"))
