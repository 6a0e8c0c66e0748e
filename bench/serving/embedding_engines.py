"""What can embed a clip, each in a process of its own, so that threads and memory are its own."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.measuring.clock import seconds
from bench.measuring.process_memory import ProcessMemory
from gait.clip import Clip
from gait.errors import GaitError
from gait.modality import Modality
from gait.variant import Variant
from gallery.network.session import Device

Embed = Callable[[Sequence[Clip]], object]
RUN_FRAMES = 128
"""Frames of one run, for every engine, as in the service."""


@dataclass(frozen=True)
class Engine:
    """What embeds.

    Args:
        name: `torch`, `torch compiled` or a variant.
        device: of a variant; torch runs on the CPU.
        checkpoint: torch's weights.
        bundle: the variants.
        threads: of one run.
    """

    name: str
    device: Device
    checkpoint: Path
    bundle: Path
    threads: int

    @property
    def label(self) -> str:
        """Name and device."""
        return f"{self.name}, {self.device}"

    def load(self) -> Embed:
        """Loads it. A variant on CUDA fails where CUDA cannot be used."""
        return _torch(self) if self.name.startswith("torch") else _variant(self)


class EngineProcess:
    """An engine in a process of its own, which does nothing while it is not measured.

    Attributes:
        load_seconds: until it was ready.
        problem: why it cannot be used; empty if it can.
    """

    def __init__(self, engine: Engine) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            self.load_seconds, self.problem = self._process.submit(_load, engine).result()
        except BrokenProcessPool:
            self.load_seconds, self.problem = 0.0, "its process ended"

    def times(self, lengths: Sequence[int], during: float) -> tuple[list[float], float]:
        """Seconds of each of several embeddings of clips of these lengths, and the peak memory in
        MB beyond what the process had with its model and libraries not yet loaded.

        Args:
            lengths: frames of each clip.
            during: go on for so many seconds, once at least.
        """
        return self._process.submit(_times, lengths, during).result()

    def close(self) -> None:
        """Ends the process."""
        self._process.shutdown()


def clips_of(lengths: Sequence[int]) -> list[Clip]:
    """Silhouettes of random blobs: what they show changes no time."""
    rng = np.random.default_rng(0)
    found = []
    for length in lengths:
        coarse = rng.random((length, 1, 8, 8)) > 0.6
        frames = coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8) * 255
        found.append(Clip(frames, Modality.SILHOUETTE))
    return found


_loaded: tuple[Embed, ProcessMemory] | None = None
"""The engine of this process, and its memory since before it was loaded."""


def _load(engine: Engine) -> tuple[float, str]:
    """Seconds that it took, and what went wrong as text: not every error can leave a process."""
    global _loaded
    memory, began = ProcessMemory(), time.perf_counter()
    try:
        embed = engine.load()
        embed(clips_of([3, 2]))
    except (GaitError, RuntimeError) as error:
        return 0.0, str(error).splitlines()[0]
    _loaded = embed, memory
    return time.perf_counter() - began, ""


def _times(lengths: Sequence[int], during: float) -> tuple[list[float], float]:
    assert _loaded is not None
    embed, memory = _loaded
    clips = clips_of(lengths)
    embed(clips)
    taken: list[float] = []
    until = time.perf_counter() + during
    while not taken or time.perf_counter() < until:
        taken.append(seconds(lambda: embed(clips)))
    return taken, memory.peak()


def _variant(engine: Engine) -> Embed:
    from gallery.network.encoder import Encoder

    return Encoder.load(
        engine.bundle,
        device=engine.device,
        variant=Variant(engine.name),
        threads=engine.threads,
        batch_frames=RUN_FRAMES,
        frames=10_000,
    ).embed


def _torch(engine: Engine) -> Embed:
    import torch

    from export.backbone import backbone
    from gait.ragged import ragged
    from gallery.network.encoder import batches
    from train.checkpoint import build_network, load_checkpoint

    torch.set_num_threads(engine.threads)
    network = build_network(load_checkpoint(engine.checkpoint))
    run: Callable[..., torch.Tensor] = backbone(network, Modality.SILHOUETTE)
    if engine.name == "torch compiled":
        run = torch.compile(run, dynamic=True)

    def embed(clips: Sequence[Clip]) -> object:
        found = []
        with torch.inference_mode():
            for _, rows in batches(clips, RUN_FRAMES):
                frames, index = ragged([clips[row].frames for row in rows])
                found.append(run(torch.from_numpy(frames.copy()), torch.from_numpy(index)).numpy())
        return found

    return embed
