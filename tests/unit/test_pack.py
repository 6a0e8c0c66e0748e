"""An opened pack holds what was packed; a damaged one does not open, or fails the check."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gait.errors import PackError
from gait.modality import Modality
from tests.damage import flip
from tests.dataset import FRAMES, arrays, pack_all, write_dataset
from train.data.pack import Pack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_a_pack_holds_what_was_read(root: Path) -> None:
    report = pack_all(root)
    pack = Pack.open(root.parent / "pack")
    assert report.records == list(pack.records)
    assert (report.skipped, report.missing_subjects) == ([], [])
    assert (pack.layout, pack.simulated) == ("sustech1k", False)
    assert [(r.subject, r.type, r.split) for r in pack.records[:3]] == [
        ("0000", "00-nm", "train"),
        ("0000", "01-cr-uf", "train"),
        ("0001", "00-nm", "test"),
    ]
    assert pack.store(Modality.SILHOUETTE).shape == (report.frames, 1, 64, 64)
    assert isinstance(pack.store(Modality.RANGE_VIEW), np.memmap)
    for seed, record in enumerate(pack.records):
        written = arrays(seed, FRAMES + seed)
        silhouettes = pack.frames(record, Modality.SILHOUETTE)
        assert np.array_equal(silhouettes[:, 0], written["silhouettes"])
        assert np.array_equal(pack.frames(record, Modality.RANGE_VIEW), written["range_views"])
    assert pack.of_split("test").tolist() == [2, 3, 6, 7]
    pack.verify()
    with pytest.raises(ValueError, match="read-only"):
        pack.store(Modality.SILHOUETTE)[0] = 0


class _Command:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def _edit(pack: Path, change: Callable[[Any], object]) -> None:
    content = json.loads((pack / "index.json").read_text())
    change(content)
    (pack / "index.json").write_text(json.dumps(content))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "silhouettes.npy is missing": lambda p: (p / "silhouettes.npy").unlink(),
    "range_views.npy has 1000 bytes": lambda p: os.truncate(p / "range_views.npy", 1000),
    "is not a pack": lambda p: (p / "index.json").unlink(),
    "Invalid JSON": lambda p: os.truncate(p / "index.json", 100),
    r"\(version: Input should be 1": lambda p: _edit(p, lambda i: i.update(version=2)),
    r"\(colour: Extra inputs": lambda p: _edit(p, lambda i: i.update(colour=1)),
    r"\(records.0.split:": lambda p: _edit(p, lambda i: i["records"][0].update(split="dev")),
    r"\(records.1.length:": lambda p: _edit(p, lambda i: i["records"][1].update(length=0)),
    r"\(records.1.start:": lambda p: _edit(p, lambda i: i["records"][1].update(start=-3)),
    r"starts at frame 6 \(expected 5\)": lambda p: _edit(
        p, lambda i: i["records"][1].update(start=6)
    ),
    "or comes twice": lambda p: _edit(p, lambda i: i["records"][1].update(type="00-nm")),
    r"the records need uint8 \(56, 1, 64, 64\)": lambda p: _edit(p, lambda i: i["records"].pop()),
    "silhouettes.npy is not a frame store": lambda p: (p / "silhouettes.npy").write_bytes(
        bytes((p / "silhouettes.npy").stat().st_size)
    ),
}
"""By what the message must say."""


@pytest.mark.parametrize("message", DAMAGE)
def test_a_damaged_pack_does_not_open(root: Path, message: str) -> None:
    pack_all(root)
    DAMAGE[message](root.parent / "pack")
    with pytest.raises(PackError, match=message):
        Pack.open(root.parent / "pack")


def test_a_changed_pixel_is_found_by_the_check(root: Path) -> None:
    pack_all(root)
    flip(root.parent / "pack" / "range_views.npy", 5000)
    pack = Pack.open(root.parent / "pack")
    with pytest.raises(PackError, match=r"range_views\.npy does not have the sha256"):
        pack.verify()


def test_a_store_of_objects_is_not_unpickled(root: Path) -> None:
    pack_all(root)
    store = root.parent / "pack" / "silhouettes.npy"
    np.save(store, np.array([_Command()], dtype=object), allow_pickle=True)
    _edit(store.parent, lambda i: i["stores"]["silhouette"].update(bytes=store.stat().st_size))
    with pytest.raises(PackError, match="is not a frame store"):
        Pack.open(store.parent)
