"""A small dataset in SUSTech1K's layout, and its pack: four subjects, two types, one view."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gait.sustech1k import write_sequence
from train.data.packing import Report, pack_dataset

FRAMES = 5
SUBJECTS = ("0000", "0001", "0002", "0003")
SPLITS = {"TRAIN_SET": ["0000", "0002"], "TEST_SET": ["0001", "0003"]}


def arrays(seed: int, frames: int = FRAMES) -> dict[str, Any]:
    """Random frames of a sequence, as `write_sequence` takes them."""
    rng = np.random.default_rng(seed)
    return {
        "silhouettes": rng.integers(0, 256, (frames, 64, 64), dtype=np.uint8),
        "range_views": rng.integers(0, 256, (frames, 3, 64, 64), dtype=np.uint8),
    }


def write_dataset(root: Path) -> Path:
    """Eight sequences with `arrays(i, FRAMES + i)` in the i-th, and `partition.json`."""
    for number, subject in enumerate(SUBJECTS):
        for offset, type in enumerate(("00-nm", "01-cr-uf")):
            seed = 2 * number + offset
            write_sequence(root, subject, type, "090-near", **arrays(seed, FRAMES + seed))
    (root / "partition.json").write_text(json.dumps(SPLITS))
    return root


def pack_all(root: Path, name: str = "pack") -> Report:
    """Packs a dataset folder into a folder beside it."""
    out = root.parent / name
    partition = root / "partition.json"
    return pack_dataset(root, partition, out, layout="sustech1k")
