"""What can embed a clip, each in a process of its own, so that threads and memory are its own."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

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


@dataclass(frozen=True)
class Loaded:
    """How it went: seconds until it was ready, or why it is not."""

    seconds: float
    problem: str = ""


class Worker:
    """An engine in a process that waits quietly when it is not asked."""

    def __init__(self, engine: Engine) -> None:
        context = get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(engine, end), daemon=True)
        self._process.start()
        end.close()
        try:
            self.loaded: Loaded = self._pipe.recv()
        except EOFError:
            self.loaded = Loaded(0.0, "its process ended")

    def times(self, lengths: Sequence[int], seconds: float) -> tuple[list[float], float]:
        """Seconds of each of several embeddings of clips of these lengths, and the peak memory in
        MB beyond what the process had with its model and libraries not yet loaded.

        Args:
            lengths: frames of each clip.
            seconds: go on for as long, once at least.
        """
        self._pipe.send((tuple(lengths), seconds))
        taken, peak = self._pipe.recv()
        return taken, peak

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()


def clips_of(lengths: Sequence[int]) -> list[Clip]:
    """Silhouettes of random blobs: what they show changes no time."""
    rng = np.random.default_rng(0)
    found = []
    for length in lengths:
        coarse = rng.random((length, 1, 8, 8)) > 0.6
        frames = coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8) * 255
        found.append(Clip(frames, Modality.SILHOUETTE))
    return found


def _serve(engine: Engine, pipe: Connection) -> None:
    memory, began = ProcessMemory(), time.perf_counter()
    try:
        embed = engine.load()
        embed(clips_of([3, 2]))
    except (GaitError, RuntimeError) as error:
        pipe.send(Loaded(0.0, str(error).splitlines()[0]))
        return
    pipe.send(Loaded(time.perf_counter() - began))
    while True:
        lengths, seconds = pipe.recv()
        clips = clips_of(lengths)
        embed(clips)
        taken: list[float] = []
        until = time.perf_counter() + seconds
        while not taken or time.perf_counter() < until:
            began = time.perf_counter()
            embed(clips)
            taken.append(time.perf_counter() - began)
        pipe.send((taken, memory.peak()))


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
