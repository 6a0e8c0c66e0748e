"""Packing: all that can be packed is, the rest is reported, and half a pack is no pack."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gait.errors import LayoutError, PackError, PartitionError, StorageError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.sustech1k import Sequence, find_sequences, write_sequence
from tests.dataset import SPLITS, arrays, pack_all, write_dataset
from train.data.pack import Pack
from train.data.packing import Reason, pack_dataset, reader


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def _command(*arguments: str | Path, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*before, sys.executable, "-m", "train.pack", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_same_dataset_gives_the_samepack_all(root: Path) -> None:
    pack_all(root)
    pack_all(root, "again")
    for name in ("index.json", "silhouettes.npy", "range_views.npy", "skipped.json"):
        first, second = root.parent / "pack" / name, root.parent / "again" / name
        assert first.read_bytes() == second.read_bytes()


def test_simulated_people_are_marked(root: Path) -> None:
    (root / "simulation.json").write_text("{}")
    pack_all(root)
    assert Pack.open(root.parent / "pack").simulated


@pytest.mark.parametrize(
    ("said", "version"),
    [('{"version": 7}', 7), ("{}", None), ('{"version": true}', None), ("{", None)],
)
def test_a_pack_says_which_simulator_drew_it(root: Path, said: str, version: int | None) -> None:
    (root / "simulation.json").write_text(said)
    pack_all(root)
    assert Pack.open(root.parent / "pack").index.simulator == version


@pytest.mark.parametrize(
    ("simulation", "said", "style"),
    [
        (None, None, RangeStyle.SCATTER),
        (None, RangeStyle.BINS, RangeStyle.BINS),
        ("{}", None, RangeStyle.BINS),
        ("{", None, RangeStyle.BINS),
        ('{"arguments": {"range_style": "scatter"}}', None, RangeStyle.SCATTER),
        ('{"arguments": {"range_style": "oil"}}', None, RangeStyle.BINS),
        ('{"arguments": 3}', RangeStyle.SCATTER, RangeStyle.SCATTER),
    ],
)
def test_a_pack_says_how_range_views_were_drawn(
    root: Path, simulation: str | None, said: RangeStyle | None, style: RangeStyle
) -> None:
    if simulation is not None:
        (root / "simulation.json").write_text(simulation)
    out = root.parent / "pack"
    pack_dataset(root, root / "partition.json", out, layout="sustech1k", range_style=said)
    assert Pack.open(out).range_style is style
    index = json.loads((out / "index.json").read_text())
    del index["range_style"]  # a pack of before there were two styles
    (out / "index.json").write_text(json.dumps(index))
    earlier = RangeStyle.SCATTER if simulation is None else RangeStyle.BINS
    assert Pack.open(out).range_style is earlier


def _file(root: Path, index: str) -> Path:
    (found,) = (root / "0001" / "00-nm" / "090-near").glob(f"{index}-*")
    return found


def _store(root: Path, index: str, content: object) -> None:
    _file(root, index).write_bytes(pickle.dumps(content))


class _Command:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def _empty(root: Path) -> None:
    _store(root, "14", arrays(0, 0)["silhouettes"])
    _store(root, "09", arrays(0, 0)["range_views"])


def _folder_in_its_place(root: Path) -> None:
    file = _file(root, "09")
    file.unlink()
    file.mkdir()


def _drop_from_partition(root: Path, subject: str) -> None:
    splits = {key: [s for s in ids if s != subject] for key, ids in SPLITS.items()}
    (root / "partition.json").write_text(json.dumps(splits))


SPOIL: dict[Reason, list[Callable[[Path], object]]] = {
    Reason.MISSING: [lambda r: _file(r, "14").unlink(), lambda r: _file(r, "09").unlink()],
    Reason.EMPTY: [_empty],
    Reason.LENGTHS: [lambda r: _store(r, "14", arrays(0, 2)["silhouettes"])],
    Reason.SHAPE: [
        lambda r: _store(r, "09", np.zeros((7, 64, 64), np.uint8)),
        lambda r: _store(r, "14", np.zeros((7, 64, 64), np.float32)),
        lambda r: _store(r, "14", [1]),
    ],
    Reason.CORRUPT: [
        lambda r: os.truncate(_file(r, "14"), 1000),
        lambda r: os.truncate(_file(r, "09"), 0),
    ],
    Reason.FORBIDDEN: [lambda r: _store(r, "09", _Command())],
    Reason.UNREADABLE: [_folder_in_its_place],
    Reason.SPLIT: [lambda r: _drop_from_partition(r, "0001")],
}


@pytest.mark.parametrize(
    ("reason", "spoil"), [(reason, spoil) for reason, ways in SPOIL.items() for spoil in ways]
)
def test_what_cannot_be_packed_is_reported_with_its_reason(
    root: Path, reason: Reason, spoil: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    spoil(root)
    report = pack_all(root)
    gone = 2 if reason is Reason.SPLIT else 1
    assert {skip.reason for skip in report.skipped} == {reason}
    assert report.skipped[0].sequence == "0001/00-nm/090-near"
    assert (len(report.skipped), len(report.records)) == (gone, 8 - gone)
    assert report.counts() == {reason: gone}
    stored = json.loads((root.parent / "pack" / "skipped.json").read_text())
    assert stored["sequences"][0]["reason"] == reason
    assert not (root.parent / "ran").exists()
    Pack.open(root.parent / "pack").verify()


def test_every_reason_has_a_test() -> None:
    assert set(SPOIL) == set(Reason)


def test_people_without_data_are_reported(root: Path) -> None:
    splits = SPLITS | {"TEST_SET": [*SPLITS["TEST_SET"], "0811"]}
    (root / "partition.json").write_text(json.dumps(splits))
    assert pack_all(root).missing_subjects == ["0811"]


def test_freegait_keeps_the_roles(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for subject, sequence in (
        ("0001", "seq_00"),
        ("0001", "seq_01"),
        ("0001", "seq_02"),
        ("0007", "seq_00"),
    ):
        folder = tmp_path / "data" / subject / "devid_3" / sequence
        folder.mkdir(parents=True)
        frames = rng.random((4, 96, 80, 3))
        (folder / "image.pkl").write_bytes(pickle.dumps(frames[..., 0] > 0.5))
        (folder / "range_pkl.pkl").write_bytes(pickle.dumps(frames))
    lists = {
        "TRAIN_SET": ["0007"],
        "TEST_SET": ["0001"],
        "GALLERY_SET": ["0001-devid_3-seq_00"],
        "PROBE_SET": ["0001-devid_3-seq_01", "0001-devid_9-seq_09"],
    }
    partition = tmp_path / "p.json"
    partition.write_text(json.dumps(lists))
    out = tmp_path / "pack"
    report = pack_dataset(tmp_path / "data", partition, out, layout="freegait")
    pack = Pack.open(out)
    assert pack.layout == "freegait"
    assert [r.role for r in pack.records] == ["gallery", "probe", None, None]
    assert [r.split for r in pack.records] == ["test", "test", "test", "train"]
    assert report.missing_roles == ["0001-devid_9-seq_09"]
    assert pack.store(Modality.RANGE_VIEW)[:, 1].max() > 200


def test_an_existing_pack_is_not_overwritten(root: Path) -> None:
    pack_all(root)
    with pytest.raises(PackError, match="exists; remove it"):
        pack_all(root)


def test_nothing_to_pack_leaves_nothing(root: Path) -> None:
    (root / "partition.json").write_text(json.dumps({"TRAIN_SET": ["a"], "TEST_SET": ["b"]}))
    with pytest.raises(PackError, match="8 sequences can be packed: 8 subject in neither split"):
        pack_all(root)
    assert [p.name for p in root.parent.iterdir()] == ["data"]


def test_a_wrong_folder_or_partition_leaves_nothing(root: Path) -> None:
    out = root.parent / "pack"
    with pytest.raises(LayoutError):
        pack_dataset(out, root / "partition.json", out, layout="sustech1k")
    with pytest.raises(PartitionError):
        pack_dataset(root, root / "none.json", out, layout="sustech1k")
    assert [p.name for p in root.parent.iterdir()] == ["data"]


def test_an_interrupt_leaves_nothing(root: Path) -> None:
    def read(sequence: Sequence, modality: Modality) -> Any:
        if sequence.subject == "0002":
            raise KeyboardInterrupt
        return reader("sustech1k")(sequence, modality)

    with pytest.raises(KeyboardInterrupt):
        pack_dataset(
            root, root / "partition.json", root.parent / "pack", layout="sustech1k", read=read
        )
    assert [p.name for p in root.parent.iterdir()] == ["data"]


def test_a_folder_that_cannot_be_written_is_named(root: Path) -> None:
    (root.parent / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the pack"):
        pack_dataset(
            root,
            root / "partition.json",
            root.parent / "file" / "pack",
            layout="sustech1k",
        )


def test_a_full_disk_is_one_line_and_leaves_nothing(root: Path) -> None:
    # By a shell: preexec_fn would fork this process, and a library's fork handlers may print.
    limited = ("sh", "-c", 'ulimit -f 390 && exec "$@"', "sh")  # blocks of 512 bytes
    out = root.parent / "pack"
    process = _command(
        *(root, "--partition", root / "partition.json", "--out", out), before=limited
    )
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.startswith("error [storage.failed]: cannot write the pack")
    assert error.count("\n") == 1
    assert [p.name for p in root.parent.iterdir()] == ["data"]


@contextmanager
def _halted(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """A packing that stands still half-way: a file of the dataset is a pipe nobody writes to."""
    sequence = find_sequences(root)[5]
    pipe = next(sequence.folder.glob("14-*"))
    kept = pipe.rename(root.parent / "kept")
    os.mkfifo(pipe)
    out = root.parent / "pack"
    process = _command(root, "--partition", root / "partition.json", "--out", out)
    try:
        _wait_for(lambda: (root.parent / ".pack.partial" / "range_views.npy").exists())
        yield process
    finally:
        process.kill()
        process.communicate()
        pipe.unlink()
        shutil.move(kept, pipe)


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_packing_leaves_no_pack_and_the_next_one_works(root: Path) -> None:
    out = root.parent / "pack"
    with _halted(root) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(PackError, match="not a pack"):
        Pack.open(root.parent / ".pack.partial")
    assert len(pack_all(root).records) == 8
    Pack.open(out).verify()
    assert sorted(p.name for p in root.parent.iterdir()) == ["data", "pack"]


def test_a_second_packing_to_the_same_place_is_refused(root: Path) -> None:
    with _halted(root):
        with pytest.raises(PackError, match="another process is packing"):
            pack_all(root)
        assert (root.parent / ".pack.partial" / "range_views.npy").exists()
    assert len(pack_all(root).records) == 8


def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    for subject in range(40):
        write_sequence(tmp_path / "data", f"{subject:04d}", "00-nm", "000", **arrays(subject, 20))
    lists = {"TRAIN_SET": ["0000"], "TEST_SET": [f"{i:04d}" for i in range(1, 40)]}
    (tmp_path / "data" / "partition.json").write_text(json.dumps(lists))
    tracemalloc.start()
    report = pack_all(tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.frames * 4 * 64 * 64 > 13_000_000
    assert peak < 3_000_000
