"""The exported network on CUDA: `python -m bench.gpu.embedding`.

A network of random weights is exported with fp32 and fp16. Each is run on the processor and on
CUDA, where that can be used: how far its embeddings are from fp32 on the processor, milliseconds of
a clip, and the memory that is taken over many requests of random length.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from bench.measuring.clock import quickest
from bench.measuring.options import OutFile
from bench.measuring.process_memory import ProcessMemory
from bench.serving.embedding_engines import clips_of
from export.backbone import backbone
from export.variants.graph import trace
from export.variants.half import half
from gait.cli import run
from gait.errors import GaitError
from gait.modality import Modality
from gait.ragged import ragged
from gait.variant import Variant
from gallery.command_line.table import table
from gallery.network.session import CUDA, Device, Session, available_threads, expected_provider
from train.config import DiffusionConfig
from train.model.network import GaitNetwork
from train.presets import load_config

Embeddings = NDArray[np.float32]
LONGEST = 100
"""Frames of the longest request."""


@dataclass(frozen=True)
class Run:
    """What one variant on one device does.

    Args:
        engine: both names.
        problem: why it was not run; empty if it was.
        cosine: of its embeddings with those of fp32 on the processor, the least of all clips.
        milliseconds: of one clip of 30 frames, and of each of eight.
        memory: MiB before the requests, after a tenth of them, and after all: of the GPU, or of
            the process on a processor.
    """

    engine: str
    problem: str = ""
    cosine: float = 0.0
    milliseconds: tuple[float, float] = (0.0, 0.0)
    memory: tuple[float, float, float] = (0.0, 0.0, 0.0)


def main(requests: int = 2000, small: bool = False, out: OutFile = None) -> None:
    """Exports, runs and compares.

    Args:
        requests: of random length, over which memory is watched.
        small: the demo's network and a hundredth of the requests, as a rehearsal.
        out: where the JSON goes.
    """
    requests = requests // 100 if small else requests
    devices = [Device.CPU, *([Device.CUDA] if expected_provider(Device.AUTO) == CUDA else [])]
    graphs = exported("demo" if small else "sustech1k")
    want = _embedded(Session(graphs[Variant.FP32], Device.CPU, available_threads()))
    runs: list[Run] = []
    if Device.CUDA not in devices:
        runs.append(Run("cuda", "ONNX Runtime finds no CUDA here"))
    for device, (variant, graph) in product(devices, graphs.items()):
        most = requests if device is Device.CUDA else 20
        runs.append(_measured(graph, variant, device, want, most))
        if out is not None:
            out.write_text(json.dumps([asdict(row) for row in runs], indent=1))
    print(_text(runs))


def exported(preset: str) -> dict[Variant, bytes]:
    """The camera's graph of a network that was not trained, in fp32 and in fp16."""
    torch.manual_seed(0)
    model = load_config(preset).model.model_copy(update={"projection": None})
    network = GaitNetwork(model, DiffusionConfig(phases=()), 8).eval()
    graph = trace(backbone(network, Modality.SILHOUETTE), Modality.SILHOUETTE)
    return {
        Variant.FP32: graph.SerializeToString(),
        Variant.FP16: half(graph).SerializeToString(),
    }


def _embedded(session: Session, lengths: Sequence[int] = (5, 30, 17, 30)) -> Embeddings:
    found = session.run(*ragged([clip.frames for clip in clips_of(lengths)]))
    flat = found.reshape(len(found), -1)
    unit: Embeddings = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return unit


def _measured(
    graph: bytes, variant: Variant, device: Device, want: Embeddings, requests: int
) -> Run:
    name = f"{variant}, {device}"
    try:
        session = Session(graph, device, available_threads())
        cosines = (_embedded(session) * want).sum(axis=1)
    except GaitError as error:
        return Run(name, str(error).splitlines()[0])

    def milliseconds(clips: int) -> float:
        given = ragged([clip.frames for clip in clips_of((30,) * clips)])
        return 1000 * quickest(lambda: session.run(*given), 1) / clips

    lengths = np.random.default_rng(0).integers(1, LONGEST, requests, endpoint=True)
    times = milliseconds(1), milliseconds(8)
    return Run(name, "", float(cosines.min()), times, _memory_over(session, lengths, device))


def _memory_over(
    session: Session, lengths: NDArray[np.int64], device: Device
) -> tuple[float, float, float]:
    process = ProcessMemory()

    def taken() -> float:
        if device is Device.CPU:
            return process.steady()
        free, total = torch.cuda.mem_get_info()
        return (total - free) / 2**20

    marks = [taken()]
    for number, length in enumerate(lengths.tolist(), 1):
        _embedded(session, (length,))
        if number in (max(1, len(lengths) // 10), len(lengths)):
            marks.append(taken())
    return marks[0], marks[1], marks[-1]


def _text(runs: Sequence[Run]) -> str:
    head = (
        "",
        "least cosine",
        "1 clip, ms",
        "of 8, ms",
        "MiB before",
        "after a tenth",
        "after all",
    )
    cells = [
        (r.engine, f"{r.cosine:.6f}", *(f"{t:.1f}" for t in r.milliseconds),
         *(f"{m:.0f}" for m in r.memory))
        for r in runs
        if not r.problem
    ]  # fmt: skip
    problems = [f"{r.engine}: not run: {r.problem}" for r in runs if r.problem]
    return "\n".join([table(head, cells), *problems])


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.gpu.embedding", description=__doc__))
