"""The exported network on CUDA: `python -m bench.gpu.embedding`.

A network of random weights is exported with fp32 and fp16. Both are run on CUDA, and fp32 on the
processor: how far embeddings are from those of fp32 on the processor, milliseconds of a clip, and
then the memory that is taken over many requests of random length. It fails where a GPU is there and
ONNX Runtime cannot use it, and where embeddings are too far away.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from bench.measuring.clock import quickest
from bench.measuring.options import OutFile
from bench.measuring.process_memory import resident_mib
from bench.serving.embedding_engines import clips_of
from export.backbone import backbone
from export.variants.graph import trace
from export.variants.half import half
from gait.cli import run
from gait.errors import EncoderError
from gait.modality import Modality
from gait.ragged import ragged
from gait.variant import Variant
from gallery.command_line.table import table
from gallery.network.session import CUDA, Device, Session, available_threads, expected_provider
from train.config import DiffusionConfig
from train.model.network import GaitNetwork
from train.presets import load_config
from train.storage import require_place, write_atomically

Embeddings = NDArray[np.float32]
LEAST = {Variant.FP32: 0.99999, Variant.FP16: 0.999}
"""Cosine with fp32 on the processor that each has to reach."""
LONGEST = 100
"""Frames of the longest request."""


@dataclass(frozen=True)
class Run:
    """What one variant on one device does.

    Args:
        engine: both names.
        cosine: of its embeddings with those of fp32 on the processor, the least of all clips.
        milliseconds: of one clip of 30 frames, and of each of eight.
        memory: MiB before the requests, after a tenth of them, and after all: of the GPU, or of
            the process on a processor; 0 before it was measured.
    """

    engine: str
    cosine: float
    milliseconds: tuple[float, float]
    memory: tuple[float, float, float] = (0.0, 0.0, 0.0)


def main(requests: int = 2000, small: bool = False, out: OutFile = None) -> None:
    """Exports, runs and compares.

    Args:
        requests: of random length, over which memory is watched.
        small: the demo's network and a hundredth of the requests, as a rehearsal.
        out: where the JSON goes.
    """
    require_place(out)
    requests = requests // 100 if small else requests
    cuda = expected_provider(Device.AUTO) == CUDA
    graphs = exported("demo" if small else "sustech1k")
    chosen = [(Variant.FP32, Device.CPU), *((variant, Device.CUDA) for variant in graphs if cuda)]
    if small:
        chosen.append((Variant.FP16, Device.CPU))
    sessions = {(v, d): Session(graphs[v], d, available_threads()) for v, d in chosen}
    want = _embedded(sessions[Variant.FP32, Device.CPU])
    runs: dict[tuple[Variant, Device], Run] = {}

    def write() -> None:
        if out is not None:
            rows = [asdict(row) for row in runs.values()]
            write_atomically(out, json.dumps(rows, indent=1).encode())

    for (variant, device), session in reversed(sessions.items()):  # the longest first
        runs[variant, device] = _measured(session, f"{variant}, {device}", want)
        write()
    for (variant, device), session in sessions.items():
        most = requests if device is Device.CUDA else 20
        lengths = np.random.default_rng(0).integers(1, LONGEST, most, endpoint=True)
        memory = _memory_over(session, lengths, device)
        runs[variant, device] = replace(runs[variant, device], memory=memory)
        write()
    print(_text(list(runs.values())))
    _judge(runs, cuda=cuda)


def _judge(runs: Mapping[tuple[Variant, Device], Run], *, cuda: bool) -> None:
    """Fails where something is missing or wrong."""
    if torch.cuda.is_available() and not cuda:
        raise EncoderError("torch has a GPU and ONNX Runtime finds none: install onnxruntime-gpu")
    for (variant, _), row in runs.items():
        if not row.cosine >= LEAST[variant]:
            raise EncoderError(f"{row.engine}: cosine {row.cosine:.6f}, need {LEAST[variant]}")


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


def _measured(session: Session, name: str, want: Embeddings) -> Run:
    cosines = (_embedded(session) * want).sum(axis=1)

    def milliseconds(clips: int) -> float:
        given = ragged([clip.frames for clip in clips_of((30,) * clips)])
        return 1000 * quickest(lambda: session.run(*given), 1) / clips

    return Run(name, float(cosines.min()), (milliseconds(1), milliseconds(8)))


def _memory_over(
    session: Session, lengths: NDArray[np.int64], device: Device
) -> tuple[float, float, float]:
    def taken() -> float:
        if device is Device.CPU:
            return resident_mib(os.getpid())
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
    ]  # fmt: skip
    return table(head, cells)


if __name__ == "__main__":
    run(lambda: tyro.cli(main, prog="python -m bench.gpu.embedding", description=__doc__))
