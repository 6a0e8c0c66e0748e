"""Partitions: the published lists are read; a wrong one is named before any work is done."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gait.errors import PartitionError
from train.data.partition import load_partition

GOOD: dict[str, Any] = {
    "TRAIN_SET": ["0000", "0002"],
    "TEST_SET": ["0001", "0003"],
    "GALLERY_SET": ["0001-devid_3-seq_00_new"],
    "PROBE_SET": ["0001-devid_3-seq_02_new", "0003-devid_2-seq_00_new"],
}


def _file(folder: Path, content: object) -> Path:
    path = folder / "p.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_splits_and_roles(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    people = load_partition(path)
    assert [people.split(s) for s in ("0000", "0001", "0009")] == ["train", "test", None]
    assert people.role("0001", "devid_3", "seq_00_new") == "gallery"
    assert people.role("0003", "devid_2", "seq_00_new") == "probe"
    assert people.role("0003", "devid_2", "seq_01_new") is None
    assert people.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_names_may_hold_dashes(tmp_path: Path) -> None:
    roles = {"GALLERY_SET": ["eva-lin-cam-1-00"], "PROBE_SET": ["eva-lin-cam-1-01"]}
    people = load_partition(_file(tmp_path, GOOD | {"TEST_SET": ["eva-lin"]} | roles))
    assert people.role("eva-lin", "cam-1", "01") == "probe"


def test_roles_may_be_absent(tmp_path: Path) -> None:
    people = load_partition(_file(tmp_path, {k: GOOD[k] for k in ("TRAIN_SET", "TEST_SET")}))
    assert (people.gallery, people.probe) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("\xff\xfe", "is not JSON"),
        ([], "holds a list"),
        (GOOD | {"TRAIN_SETS": []}, "did you mean TRAIN_SET?"),
        (GOOD | {"views": []}, "only TRAIN_SET, TEST_SET, GALLERY_SET, PROBE_SET are"),
        ({"TRAIN_SET": ["0"]}, "has no TEST_SET"),
        ({"TRAIN_SET": [], "TEST_SET": []}, "names nobody"),
        (GOOD | {"TRAIN_SET": [1, 2]}, "not a list of strings"),
        (GOOD | {"TRAIN_SET": "0000"}, "not a list of strings"),
        (GOOD | {"TRAIN_SET": ["0000", "0000"]}, "TRAIN_SET names 0000 more than once"),
        (GOOD | {"TRAIN_SET": ["0000", "0001"]}, "TRAIN_SET and TEST_SET share 0001"),
        (GOOD | {"PROBE_SET": GOOD["GALLERY_SET"]}, "GALLERY_SET and PROBE_SET share"),
        (GOOD | {"PROBE_SET": ["0000-a-b"]}, "0000-a-b have roles but are not of TEST_SET"),
        (GOOD | {"TEST_SET": [f"{i:04d}" for i in range(100, 110)]}, "have roles but"),
        ({k: GOOD[k] for k in ("TRAIN_SET", "TEST_SET", "PROBE_SET")}, "need both or neither"),
    ],
)
def test_a_wrong_partition_is_named(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(PartitionError, match=message) as caught:
        load_partition(_file(tmp_path, content))
    assert "p.json" in str(caught.value)


def test_a_missing_partition_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartitionError, match="cannot read the partition"):
        load_partition(tmp_path / "none.json")
