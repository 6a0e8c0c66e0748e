"""`python -m train.pack`: what it prints, and how it ends."""

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from gait.errors import PackError
from tests.damage import flip
from tests.dataset import write_dataset
from train.pack import main


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["pack", *map(str, arguments)])
    main()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "data")
    (root / "simulation.json").write_text("{}")
    os.truncate(root / "0001/00-nm/090-near/14-sync-090-near-Camera-Sils_aligned.pkl", 99)
    lists = json.loads((root / "partition.json").read_text())
    lists["TEST_SET"].append("0811")
    (root / "partition.json").write_text(json.dumps(lists))
    return root


def test_a_summary_names_what_was_packed_and_skipped(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root.parent / "pack"
    _run(monkeypatch, root, "--partition", root / "partition.json", "--out", out)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"{out}: 7 sequences, 61 paired frames of 4 simulated subjects (2 train, 2 test)"
        ", range views of style bins"
    )
    assert lines[1] == f"skipped 1 sequence (all in {out / 'skipped.json'})"
    assert lines[2].split() == ["1", "truncated", "or", "corrupt"]
    assert lines[3].strip().startswith("0001/00-nm/090-near: ")
    assert lines[4] == "1 subject of the partition has nothing packed: 0811"
    _run(monkeypatch, "--check", out)
    assert capsys.readouterr().out == f"{lines[0]}: whole\n"


def test_json_is_for_programs(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root.parent / "pack"
    _run(monkeypatch, root, "--partition", root / "partition.json", "--out", out, "--json")
    made = json.loads(capsys.readouterr().out)
    assert (made["sequences"], made["simulated"]) == (7, True)
    assert made["skipped"][0]["reason"] == "truncated or corrupt"
    assert made["missing_subjects"] == ["0811"]
    _run(monkeypatch, "--check", out, "--json")
    checked = json.loads(capsys.readouterr().out)
    assert checked.items() <= made.items()


def test_a_damaged_pack_fails_the_check(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = root.parent / "pack"
    _run(monkeypatch, root, "--partition", root / "partition.json", "--out", out)
    flip(out / "silhouettes.npy", -1)
    with pytest.raises(PackError, match="sha256"):
        _run(monkeypatch, "--check", out)


@pytest.mark.parametrize("arguments", [[], ["data"], ["data", "--check", "pack"]])
def test_a_wrong_call_is_a_usage_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        _run(monkeypatch, *arguments)
    assert caught.value.code == 2
    assert "--check" in capsys.readouterr().err


def test_freegait_with_pickles_of_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in ("0001", "0007"):
        folder = tmp_path / "data" / subject / "devid_1" / "seq_00_new"
        folder.mkdir(parents=True)
        (folder / "sil.pkl").write_bytes(pickle.dumps(np.ones((4, 96, 64))))
        (folder / "range_pkl.pkl").write_bytes(pickle.dumps(np.ones((4, 3, 64, 64), np.uint8)))
    lists = {
        "TRAIN_SET": ["0007"],
        "TEST_SET": ["0001"],
        "GALLERY_SET": ["0001-devid_1-seq_00_new"],
        "PROBE_SET": ["0001-devid_1-seq_01_new"],
    }
    partition, out = tmp_path / "p.json", tmp_path / "pack"
    partition.write_text(json.dumps(lists))
    _run(
        monkeypatch,
        *(tmp_path / "data", "--partition", partition, "--out", out),
        *("--layout", "freegait", "--silhouettes", "sil.pkl", "--json"),
    )
    made = json.loads(capsys.readouterr().out)
    assert (made["layout"], made["sequences"], made["roles"]) == ("freegait", 2, {"gallery": 1})
    assert made["missing_roles"] == ["0001-devid_1-seq_01_new"]
