"""Where the time of a training step goes: `python -m bench.gpu.step_profile [PRESET]`.

Kernels of a GPU, or operations of a processor, of the full step and of base, by their own time.
"""

import json
from typing import Annotated

import torch
import tyro
from torch.profiler import ProfilerActivity, profile

from bench.measuring.options import OutFile
from bench.training.machine import make_machine
from bench.training.timed_training import Trainer, open_frames
from bench.training.variants import BASE, rows_named, variants
from gait.cli import run
from gallery.command_line.table import table
from train.presets import load_config
from train.storage import require_place, write_atomically

STEPS = 5
Rows = list[tuple[str, float, float]]
"""What, milliseconds of a step, calls of a step."""


def main(
    preset: Annotated[str, tyro.conf.Positional] = "sustech1k", most: int = 30, out: OutFile = None
) -> None:
    """Profiles both steps.

    Args:
        preset: of configs/, or a .yaml file.
        most: how many lines of each table are printed; the JSON has all.
        out: where the JSON goes.

    Raises:
        ConfigError: there is no such preset.
    """
    require_place(out)
    config = load_config(preset)
    device = make_machine(config.run).device
    opened = open_frames(None, config)
    found: dict[str, Rows] = {}
    for name, variant in rows_named(variants(config, device), [BASE]).items():
        rows = found[name] = step_profile(Trainer(variant, opened, make_machine(variant.run)))
        cells = [(what, f"{ms:.3f}", f"{calls:.0f}") for what, ms, calls in rows[:most]]
        total = sum(ms for _, ms, _ in rows)
        print(f"{name}: {total:.1f} ms a step\n{table(('what', 'ms', 'calls'), cells)}\n")
    if out is not None:
        whole = {"preset": config.name, "rows": found}
        write_atomically(out, json.dumps(whole, indent=1).encode())


def step_profile(trainer: Trainer) -> Rows:
    """What a steady step does, the longest first; warmed up by the making of the trainer."""
    cuda = torch.cuda.is_available()
    activities = [ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]
    with profile(activities=activities) as profiler:
        trainer.turn(STEPS)
    steps = STEPS + 1  # a turn does one that is not timed
    events = profiler.key_averages()
    times = [(e, e.self_device_time_total if cuda else e.self_cpu_time_total) for e in events]
    rows = [(e.key, micro / 1000 / steps, e.count / steps) for e, micro in times if micro]
    return sorted(rows, key=lambda row: -row[1])


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.gpu.step_profile", description=__doc__))
