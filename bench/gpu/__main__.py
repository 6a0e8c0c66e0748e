"""All that only a GPU can show, in one command of eight minutes: `scripts/gpu --out gpu.json`.

First the tests that need one, then the table of training steps, steps without cuDNN's search, a
profile, 500 steps in a row, the compiled denoiser, the exported network on CUDA, and what takes
minutes to compile. Each part is a process of its own: one that fails, takes too long or cannot be
done here says so, and the others go on.

It needs torch, numpy, pydantic, tyro, yaml and rich; the tests pytest; the exported network
onnxruntime-gpu, onnx and onnxscript. Without a GPU only `--preset demo` is of use, as a rehearsal.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

import torch
import tyro

from bench.measuring.options import OutFile
from bench.training.variants import BASE, COMPILED, NO_DENOISER, OTHER_DENOISERS
from gait.cli import run
from gait.errors import ConfigError
from gait.progress import progress
from train.storage import require_place, write_atomically

State = Literal["passed", "failed", "too long", "not run"]
SAID = 12_000
"""Characters of what a part printed that are kept, from the end."""


@dataclass(frozen=True)
class Part:
    """One process.

    Args:
        name: in the report and for `--parts`.
        module, words: what `python -m` runs.
        limit: seconds that it may take.
        needs: packages without which it is not run.
        writes: whether it takes `--out` and leaves JSON there.
    """

    name: str
    module: str
    words: tuple[str, ...]
    limit: float
    needs: tuple[str, ...] = ()
    writes: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of a part.

    Args:
        state: failed means that its process did; its last words say why.
        seconds: that it took.
        said: what it printed, or why it was not run.
        result: the JSON that it left.
    """

    state: State
    seconds: float
    said: str
    result: object = None


TESTS = ("tests/unit/test_cuda.py", "tests/unit/test_graph.py")
"""Files with tests that need a GPU. Those beside them import what such a machine may lack."""
ROWS = (BASE, NO_DENOISER, *OTHER_DENOISERS, "graph on", "channels_last off")
DENOISER_COMPILED, ALL_COMPILED = ("compile denoiser",), ("compile all", COMPILED)
CUDA_ALONE = ("no search", "compiled tests", *ALL_COMPILED)
"""Parts that a rehearsal leaves out."""
ALL_THAT_IS_LEFT = float("inf")
PYTEST = ("pytest", "pytest_timeout")
"""Packages that the tests need."""


def all_parts(preset: str, cuda: bool) -> list[Part]:
    """What is done, in order; what needs CUDA is left out without it."""
    few = ("--iterations", "40", "--turns", "8") if cuda else ("--iterations", "2", "--turns", "1")
    table = (preset, "--no-memory", "--no-costs", "--steady", "0", *few)
    # Without this project's conftest.py, which needs servers that such a machine lacks, and its
    # rule that a warning fails a test, since its torch may be another one.
    test = ("-v", "-m", "gpu", "--noconftest", "-W", "default", *TESTS, "--timeout")
    every = [
        Part("tests", "pytest", (*test, "60", "-k", "not compiled"), 60, PYTEST, writes=False),
        Part("steps", "bench.train", (*table, "--rows", *ROWS), 110),
        Part("no search", "bench.train", (*table, "--no-cudnn-benchmark", "--rows", BASE), 40),
        Part("profile", "bench.gpu.step_profile", (preset,), 35),
        Part("in a row", "bench.train",
             (preset, "--no-memory", "--no-costs", "--iterations", "2", "--turns", "1", "--steady",
              "500", "--rows"), 85),
        Part("embedding", "bench.gpu.embedding", () if cuda else ("--small",), 75,
             ("onnx", "onnxscript", "onnxruntime")),
        Part("compiled denoiser", "bench.train", (*table, "--rows", *DENOISER_COMPILED), 75),
        Part("compiled tests", "pytest", (*test, "0", "-k", "compiled"), ALL_THAT_IS_LEFT, PYTEST,
             writes=False),
        *(Part(row, "bench.train", (*table, "--rows", row), ALL_THAT_IS_LEFT)
          for row in ALL_COMPILED),
    ]  # fmt: skip
    return every if cuda else [_rehearsed(part) for part in every if part.name not in CUDA_ALONE]


def _rehearsed(part: Part) -> Part:
    """Without the rows and the many steps that only a GPU can do."""
    words = [word for word in part.words if word != "graph on"]
    return replace(part, words=tuple("5" if word == "500" else word for word in words))


def main(
    preset: str | None = None,
    parts: tuple[str, ...] | None = None,
    minutes: float = 8,
    out: OutFile = None,
) -> None:
    """Runs all parts, prints what each said and leaves a JSON of it.

    Args:
        preset: whose step is timed; sustech1k (full size), and demo without a GPU.
        parts: names of the parts to run; all if not given.
        minutes: that everything may take.
        out: where the JSON goes; it is written after each part.

    Raises:
        ConfigError: there is no such part.
        SystemExit: a part failed.
    """
    require_place(out)
    cuda = torch.cuda.is_available()
    every = all_parts(preset or ("sustech1k" if cuda else "demo"), cuda)
    chosen = [part for part in every if parts is None or part.name in parts]
    if unknown := sorted(set(parts or ()) - {part.name for part in every}):
        raise ConfigError(
            f"got part {unknown[0]!r}, need some of {', '.join(p.name for p in every)}"
        )
    machine = torch.cuda.get_device_name() if cuda else "no CUDA device: a rehearsal on the CPU"
    about: dict[str, object] = {"machine": machine, "torch": torch.__version__}
    found: dict[str, Outcome] = {}
    until = time.monotonic() + 60 * minutes
    with progress() as bar:
        task = bar.add_task("on a GPU" if cuda else "rehearsal", total=len(chosen), note="")
        for part in chosen:
            bar.update(task, note=part.name)
            outcome = found[part.name] = done(part, until - time.monotonic())
            print(f"\n## {part.name}: {outcome.state}, {outcome.seconds:.0f} s\n\n{outcome.said}")
            bar.advance(task)
            if out is not None:
                content = about | {"parts": {name: asdict(o) for name, o in found.items()}}
                write_atomically(out, json.dumps(content, indent=1).encode())
    if any(outcome.state in ("failed", "too long") for outcome in found.values()):
        sys.exit(1)


def done(part: Part, left: float) -> Outcome:
    """Runs a part within its limit and within what is left of all, both in seconds."""
    if missing := [name for name in part.needs if find_spec(name) is None]:
        return Outcome("not run", 0, f"{', '.join(missing)} is not installed")
    if left < min(30, part.limit):
        return Outcome("not run", 0, "no time is left")
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        left_behind, log = Path(folder, "result.json"), Path(folder, "log")
        words = [*part.words, *(("--out", str(left_behind)) if part.writes else ())]
        with log.open("wb") as stream:
            command = [sys.executable, "-m", part.module, *words]
            state = _run(command, stream, min(part.limit, left), Path(folder, "compiled"))
        said = log.read_text(errors="replace")[-SAID:].strip()
        result = _json(left_behind)
    return Outcome(state, round(time.monotonic() - began, 1), said, result)


def _json(path: Path) -> object:
    """What a part left behind, though it may have failed later; None if that is no whole JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _run(words: Sequence[str], stream: IO[bytes], limit: float, compiled: Path) -> State:
    """Ends the processes that it started too: compilers would go on beside the next part. What they
    made lies in a folder of its own, since the next part would take half a file for a whole one."""
    process = subprocess.Popen(
        words, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1",  # what it said is there though it is killed
            "TORCHINDUCTOR_CACHE_DIR": str(compiled),
        },
    )  # fmt: skip
    try:
        return "failed" if process.wait(limit) else "passed"
    except subprocess.TimeoutExpired:
        return "too long"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.gpu", description=__doc__))
