"""Who is for training and who for testing: the JSON lists published with a dataset."""

import difflib
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gait.errors import PartitionError

Split = Literal["train", "test"]
Role = Literal["gallery", "probe"]

_KEYS = ("TRAIN_SET", "TEST_SET", "GALLERY_SET", "PROBE_SET")


@dataclass(frozen=True)
class Partition:
    """Subjects by split and, where the dataset gives them, sequences by role.

    Args:
        train, test: subject ids; no id is in both.
        gallery, probe: sequences named `subject-device-sequence` (FreeGait), or empty.
        sha256: of the file, so that packs made with different lists can be told apart.
    """

    train: frozenset[str]
    test: frozenset[str]
    gallery: frozenset[str]
    probe: frozenset[str]
    sha256: str

    def split(self, subject: str) -> Split | None:
        """The subject's split, or None when it is in neither."""
        if subject in self.train:
            return "train"
        return "test" if subject in self.test else None

    def role(self, subject: str, type: str, view: str) -> Role | None:
        """The sequence's role in the test, or None when the lists do not name it."""
        name = f"{subject}-{type}-{view}"
        if name in self.gallery:
            return "gallery"
        return "probe" if name in self.probe else None


def load_partition(path: Path) -> Partition:
    """Reads `{"TRAIN_SET": [...], "TEST_SET": [...]}`, optionally with `GALLERY_SET`, `PROBE_SET`.

    Raises:
        PartitionError: the file is missing or not such JSON, a key is unknown, an id is listed
            twice or in both splits, or a sequence is in two roles or of nobody in the test split.
    """
    try:
        data = path.read_bytes()
        lists = json.loads(data)
    except OSError as error:
        raise PartitionError(f"cannot read the partition {path}: {error}") from error
    except ValueError as error:
        raise PartitionError(f"{path} is not JSON: {error}") from error
    train, test, gallery, probe = _lists(lists, path)
    _disjoint(train, test, "TRAIN_SET", "TEST_SET", path)
    _disjoint(gallery, probe, "GALLERY_SET", "PROBE_SET", path)
    _of_test_subjects(gallery | probe, test, path)
    return Partition(train, test, gallery, probe, hashlib.sha256(data).hexdigest())


def _lists(content: object, path: Path) -> list[frozenset[str]]:
    if not isinstance(content, dict):
        raise PartitionError(
            f"{path} holds a {type(content).__name__}, need an object with {_KEYS}"
        )
    for key in content:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"; did you mean {close[0]}?" if close else f", only {', '.join(_KEYS)} are"
            raise PartitionError(f"{path}: key {key!r} is unknown{hint}")
    for key in _KEYS[:2]:
        if key not in content:
            raise PartitionError(f"{path} has no {key}, need a list of subject ids")
    if not any(content[key] for key in _KEYS[:2]):
        raise PartitionError(f"{path} names nobody: TRAIN_SET and TEST_SET are both empty")
    if ("GALLERY_SET" in content) != ("PROBE_SET" in content):
        raise PartitionError(f"{path} has one of GALLERY_SET and PROBE_SET, need both or neither")
    return [_names(content.get(key, []), key, path) for key in _KEYS]


def _names(names: object, key: str, path: Path) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise PartitionError(f'{path}: {key} is not a list of strings; write ids as "0001"')
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise PartitionError(f"{path}: {key} names {_some(twice)} more than once")
    return frozenset(names)


def _disjoint(a: frozenset[str], b: frozenset[str], a_key: str, b_key: str, path: Path) -> None:
    if a & b:
        raise PartitionError(f"{path}: {a_key} and {b_key} share {_some(sorted(a & b))}")


def _of_test_subjects(sequences: frozenset[str], test: frozenset[str], path: Path) -> None:
    others = sorted(name for name in sequences if test.isdisjoint(_subjects(name)))
    if others:
        raise PartitionError(f"{path}: {_some(others)} have roles but are not of TEST_SET subjects")


def _subjects(name: str) -> list[str]:
    """Whose the sequence `subject-device-sequence` may be, as any of the three may hold a dash."""
    parts = name.split("-")
    return ["-".join(parts[:count]) for count in range(1, len(parts))]


def _some(names: list[str], shown: int = 5) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
