"""Speed and memory of embedding: `python -m bench.inference --checkpoint C --bundle B`.

Every engine is a process of its own: torch eager, torch compiled, each variant of the bundle on the
CPU, and on CUDA where that can be used. They take turns at every size, so that ratios are of one
run. Clips are embedded as the service does: runs of at most 128 frames.
"""

import json
import os
import platform
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode

from bench.measuring.options import Bundle, Checkpoint, OutFile
from bench.serving.embedding_engines import Engine, EngineProcess
from bench.serving.onnxruntime_peak import peak
from export.backbone import backbone
from gait.cli import run
from gait.manifest import Manifest
from gait.modality import SIZE, Modality
from gait.progress import progress
from gait.variant import Variant
from gallery.command_line.table import table
from gallery.network.session import CUDA, Device, checked_threads, expected_provider
from train.checkpoint import build_network, load_checkpoint
from train.storage import require_place, write_atomically

TORCH, COMPILED = "torch", "torch compiled"
UNEQUAL = (10, 16, 22, 28, 32, 38, 44, 50)
"""Frames of eight clips, 30 in the mean."""


@dataclass(frozen=True)
class Arguments:
    """Measures how fast clips are embedded."""

    checkpoint: Checkpoint
    bundle: Bundle
    batches: tuple[int, ...] = (1, 8, 32)
    """Clips at once."""
    frames: tuple[int, ...] = (10, 30, 100)
    """Frames of a clip."""
    most: int = 1000
    """Sizes of more frames in all are left out: they are several runs of the largest size."""
    engines: tuple[str, ...] = (TORCH, COMPILED, *Variant)
    """Those to time_engines, of torch, torch compiled, fp32, fp16 and int8."""
    seconds: float = 1.0
    """For how long each engine embeds at each size in each turn, once at least."""
    turns: int = 3
    """How often each size comes."""
    threads: int | None = None
    """Of one run; by default every core this process may use."""
    out: OutFile = None


@dataclass
class EngineTimes:
    """What one engine took: `milliseconds` by size, per clip, the median over all turns."""

    engine: str
    load_seconds: float = 0.0
    problem: str = ""
    peak_mb: float = 0.0
    milliseconds: dict[str, float] = field(default_factory=dict)
    equal: float = 0.0
    unequal: float = 0.0


def main() -> None:
    """Measures, and prints tables."""
    arguments = tyro.cli(Arguments, prog="python -m bench.inference")
    require_place(arguments.out)
    threads = checked_threads(arguments.threads)
    sizes = [
        (clips, frames)
        for clips, frames in product(arguments.batches, arguments.frames)
        if clips * frames <= arguments.most
    ]
    rows = time_engines(arguments, engines(arguments, threads), sizes)
    facts = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "threads": threads,
        "gflop_per_frame": flops(arguments.checkpoint) / 1e9,
        "peak_gflops": {
            str(kind): peak(kind, threads) / 1e9 for kind in (Variant.FP32, Variant.INT8)
        },
    }
    print(engine_tables(facts, rows, sizes))
    if arguments.out is not None:
        text = json.dumps(facts | {"rows": [asdict(r) for r in rows]}, indent=1)
        write_atomically(arguments.out, text.encode())


def engines(arguments: Arguments, threads: int) -> list[Engine]:
    """The chosen engines that the bundle has, on the CPU and where there is one on a GPU."""
    held = {str(variant) for variant in Manifest.load(arguments.bundle).variants}
    names = [n for n in arguments.engines if n in held or n in (TORCH, COMPILED)]
    devices = [Device.CPU]
    if expected_provider(Device.AUTO) == CUDA:
        devices.append(Device.CUDA)
    return [
        Engine(name, device, arguments.checkpoint, arguments.bundle, threads)
        for device, name in product(devices, names)
        if device is Device.CPU or name in held
    ]


def time_engines(
    arguments: Arguments, chosen: Sequence[Engine], sizes: Sequence[tuple[int, int]]
) -> list[EngineTimes]:
    """Times every engine at every size, turn by turn."""
    with ExitStack() as stack, progress() as bar:
        task = bar.add_task("timing", total=len(chosen) * (len(sizes) + 2), note="loading")
        processes = [stack.enter_context(closing(EngineProcess(engine))) for engine in chosen]
        rows = [
            EngineTimes(engine.label, process.load_seconds, process.problem)
            for engine, process in zip(chosen, processes, strict=True)
        ]
        ready = [(row, p) for row, p in zip(rows, processes, strict=True) if not row.problem]

        def timed(lengths: Sequence[int]) -> list[float]:
            """Milliseconds a clip of each engine that is ready."""
            taken: list[list[float]] = [[] for _ in ready]
            for _ in range(arguments.turns):
                for (row, process), seconds in zip(ready, taken, strict=True):
                    bar.update(task, note=f"{len(lengths)} clips, {row.engine}")
                    more, row.peak_mb = process.times(lengths, arguments.seconds)
                    seconds += more
            bar.advance(task, len(chosen))
            return [1000 * float(np.median(seconds)) / len(lengths) for seconds in taken]

        for clips, frames in sizes:
            for (row, _), milliseconds in zip(ready, timed([frames] * clips), strict=True):
                row.milliseconds[f"{clips}×{frames}"] = milliseconds
        both = timed([30] * len(UNEQUAL)), timed(UNEQUAL)
        for (row, _), equal, unequal in zip(ready, *both, strict=True):
            row.equal, row.unequal = equal, unequal
        return rows


def flops(checkpoint: Path) -> float:
    """Of one frame through the network in torch, two for each multiply-add."""
    network = backbone(build_network(load_checkpoint(checkpoint)), Modality.SILHOUETTE)
    frame = torch.zeros(1, Modality.SILHOUETTE.channels, SIZE, SIZE, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(frame, torch.zeros(1, 1, dtype=torch.int64))
    return float(counter.get_total_flops())


def engine_tables(
    facts: dict[str, object], rows: Sequence[EngineTimes], sizes: Sequence[tuple[int, int]]
) -> str:
    """Tables of milliseconds and clips a second, and ratios of engines."""
    names = [f"{clips}×{frames}" for clips, frames in sizes]
    lines = [f"{name}: {value}" for name, value in facts.items()]
    lines += [f"{row.engine}: not measured: {row.problem}" for row in rows if row.problem]
    good = [row for row in rows if not row.problem]
    cells = [(r.engine, *(f"{r.milliseconds[n]:.1f}" for n in names)) for r in good]
    lines += ["", "ms per clip, clips × frames", table(("", *names), cells)]
    cells = [(r.engine, *(f"{1000 / r.milliseconds[n]:.1f}" for n in names)) for r in good]
    lines += ["", "clips/s", table(("", *names), cells), "", "times as fast as"]
    pairs = [(TORCH, Variant.FP32), (COMPILED, Variant.FP32), (Variant.FP32, Variant.INT8),
             (Variant.FP32, Variant.FP16)]  # fmt: skip
    by_name = {row.engine: row.milliseconds for row in good}
    for slow, fast in pairs:
        first, second = (by_name.get(f"{name}, {Device.CPU}") for name in (slow, fast))
        if first and second:
            ratios = "  ".join(f"{n} {first[n] / second[n]:.2f}" for n in names)
            lines.append(f"{fast} than {slow}: {ratios}")
    lines += ["", _others(facts, good, names)]
    return "\n".join(lines)


def _others(facts: dict[str, object], rows: Sequence[EngineTimes], names: Sequence[str]) -> str:
    work, peaks = facts["gflop_per_frame"], facts["peak_gflops"]
    assert isinstance(work, float)
    assert isinstance(peaks, dict)
    head = ("", "load s", "peak MB", "unequal lengths cost", "GFLOP/s", "of the peak")
    cells = []
    for row in rows:
        done = max(
            work * int(name.split("×")[1]) / (row.milliseconds[name] / 1000) for name in names
        )
        best = peaks[Variant.INT8 if row.engine.startswith(Variant.INT8) else Variant.FP32]
        share = f"{done / best:.0%}" if row.engine.endswith(Device.CPU) else ""
        cost = f"{row.unequal / row.equal - 1:+.1%}"
        cells.append((row.engine, f"{row.load_seconds:.2f}", f"{row.peak_mb:.0f}", cost,
                      f"{done:.0f}", share))  # fmt: skip
    return table(head, cells)


if __name__ == "__main__":
    run(main)
