"""A pack of noise in memory, for measuring where there is no dataset."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.modality import SIZE, Modality
from train.data.pack import Index, Pack, Record, Store

WALKS = 2
"""Walks of each person."""


def noise_pack(subjects: int, frames: int) -> Pack:
    """A pack of people who walk twice, for so many frames, and look like noise."""
    records = tuple(
        Record(f"{i // WALKS:04d}", f"{i % WALKS:02d}-nm", "000", "train", i * frames, frames)
        for i in range(subjects * WALKS)
    )
    rng = np.random.default_rng(0)
    noise = {m: _noise(rng, len(records) * frames, m.channels) for m in Modality}
    index = Index(
        layout="sustech1k",
        simulated=True,
        partition_sha256="0" * 64,
        stores={m: _store(values) for m, values in noise.items()},
        records=records,
    )
    return Pack(Path("noise"), index, noise)


def _noise(rng: np.random.Generator, count: int, channels: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (count, channels, SIZE, SIZE), dtype=np.uint8)


def _store(values: NDArray[np.uint8]) -> Store:
    n, c, h, w = values.shape
    return Store(shape=(n, c, h, w), bytes=values.nbytes, sha256="0" * 64)
