"""What reading a clip in another process costs beside reading it in a thread.

python -m bench.serving.decoding_cost
"""

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread
import numpy as np
import tyro

from bench.measuring.options import Json
from bench.serving.service_process import clip_file
from gait.cli import run
from gait.clip import Clip
from gait.decode import decode_clip
from gait.modality import Modality
from gallery.command_line.table import table
from serve.settings import load_settings
from serve.work.decoding import DecodingPool
from serve.work.metrics import Metrics

Read = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True)
class Arguments:
    """Reads the same clips in a thread and in a decoding process, in turns.

    Args:
        turns: of each clip and way.
    """

    turns: int = 200
    json: Json = False


@dataclass(frozen=True)
class Cost:
    """Of one clip file; medians.

    Args:
        clip: what it is.
        mib: of the file.
        thread_ms, process_ms: to read it.
        extra_ms: the difference.
    """

    clip: str
    mib: float
    thread_ms: float
    process_ms: float
    extra_ms: float


def main() -> None:
    """Measures, and prints a table or JSON."""
    given = tyro.cli(Arguments, prog="python -m bench.serving.decoding_cost")
    costs = asyncio.run(measured(files(), given.turns))
    if given.json:
        print(json.dumps([vars(cost) for cost in costs], indent=1))
        return
    head = ("", "MiB", "thread ms", "process ms", "ratio", "extra ms")
    rows = [
        (c.clip, f"{c.mib:.2f}", f"{c.thread_ms:.2f}", f"{c.process_ms:.2f}",
         f"{c.process_ms / c.thread_ms:.2f}", f"{c.extra_ms:+.2f}")
        for c in costs
    ]  # fmt: skip
    print(table(head, rows))


def files() -> dict[str, bytes]:
    """Clip files from small to the largest allowed."""
    rng = np.random.default_rng(0)

    def of(frames: int, modality: Modality) -> bytes:
        shape = (frames, modality.channels, 64, 64)
        return clip_file(Clip(rng.integers(0, 256, shape).astype(np.uint8), modality))

    large = np.zeros((60, 1024, 1024), np.uint8)
    large[:, 100:900, 300:700] = 255
    return {
        "30 silhouettes": of(30, Modality.SILHOUETTE),
        "30 range views": of(30, Modality.RANGE_VIEW),
        "300 range views": of(300, Modality.RANGE_VIEW),
        "60 silhouettes of 1024×1024": _npy(large),
    }


def _npy(frames: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frames, allow_pickle=False)
    return buffer.getvalue()


async def measured(clips: Mapping[str, bytes], turns: int) -> list[Cost]:
    """Each clip file read in both ways, in turns."""
    settings = load_settings(data="unused")
    limits = settings.limits
    pool = DecodingPool(settings.decoding, Metrics())

    async def by_thread(data: bytes) -> object:
        return await anyio.to_thread.run_sync(lambda: decode_clip(data, limits=limits))

    async def by_process(data: bytes) -> object:
        return await asyncio.wrap_future(pool.submit(data, {"limits": limits}, "one"))

    try:
        ways = (by_thread, by_process)
        return [await _cost(name, data, turns, ways) for name, data in clips.items()]
    finally:
        pool.close()


async def _cost(name: str, data: bytes, turns: int, ways: Sequence[Read]) -> Cost:
    """In blocks: threads of the decoders go on spinning for a while after each clip."""
    block = max(1, turns // 10 if len(data) < 1 << 24 else turns // 100)
    times: list[list[float]] = [[], []]
    for _ in range(10):
        for read, took in zip(ways, times, strict=True):
            await _took(read, data)
            await asyncio.sleep(0.05)
            took.extend([await _took(read, data) for _ in range(block)])
    thread, process = (1e3 * float(np.median(each)) for each in times)
    return Cost(name, len(data) / (1 << 20), thread, process, process - thread)


async def _took(read: Read, data: bytes) -> float:
    began = time.perf_counter()
    await read(data)
    return time.perf_counter() - began


if __name__ == "__main__":
    run(main)
