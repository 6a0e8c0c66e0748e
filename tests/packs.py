"""Packs of random people for tests of training: a blocky pattern each, seen by both sensors."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gait.range_style import RangeStyle
from train.data.pack import INDEX, STORES, Index, Record, Store
from train.data.partition import Role

TYPES = ("00-nm", "01-nm", "02-bg")
VIEWS = ("000", "090")


def write_pack(
    folder: Path,
    train: int = 6,
    test: int = 4,
    types: Sequence[str] = TYPES,
    views: Sequence[str] = VIEWS,
    lengths: tuple[int, int] = (3, 9),
    layout: str = "sustech1k",
    seed: int = 0,
    roles: bool = False,
    modalities: Sequence[Modality] = tuple(Modality),
) -> Path:
    """Writes a pack of `train + test` random people, `len(types) · len(views)` walks each.

    Args:
        lengths: the fewest and the most frames of a walk.
        roles: whether test walks have the roles of lists: `00-nm` from the first view is the
            gallery, `01-nm` are the probes.
        modalities: what the pack holds.
    """
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    frames: dict[Modality, list[NDArray[np.uint8]]] = {m: [] for m in Modality}
    start = 0
    for person in range(train + test):
        pattern = rng.integers(0, 200, (1, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
        for kind in types:
            for view in views:
                length = int(rng.integers(*lengths, endpoint=True))
                noise = rng.integers(0, 56, (length, 4, 64, 64))
                walk = (pattern + noise).astype(np.uint8)
                frames[Modality.SILHOUETTE].append(walk[:, :1])
                frames[Modality.RANGE_VIEW].append(walk[:, 1:])
                split = "train" if person < train else "test"
                role = _role(kind, view == views[0]) if roles and split == "test" else None
                records.append(Record(f"{person:04d}", kind, view, split, start, length, role))  # type: ignore[arg-type]
                start += length
    folder.mkdir(parents=True)
    stores = {m: _write_store(folder / STORES[m], np.concatenate(frames[m])) for m in modalities}
    index = Index(
        layout=layout,
        simulated=True,
        partition_sha256="0" * 64,
        stores=stores,
        records=tuple(records),
    )
    (folder / INDEX).write_text(index.model_dump_json())
    return folder


def _role(kind: str, first_view: bool) -> Role | None:
    if kind == "00-nm" and first_view:
        return "gallery"
    return "probe" if kind == "01-nm" else None


def _write_store(path: Path, frames: NDArray[np.uint8]) -> Store:
    np.save(path, frames)
    n, c, h, w = frames.shape
    return Store(
        shape=(n, c, h, w),
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(frames.data).hexdigest(),
    )


def drawn_as(pack: Path, style: RangeStyle) -> Path:
    """The same pack, which says that its range views are of that style."""
    index = json.loads((pack / INDEX).read_text())
    (pack / INDEX).write_text(json.dumps(index | {"range_style": style}))
    return pack
