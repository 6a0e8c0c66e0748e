"""The pixel baseline: mean occupancy by hand, and the table it prints."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tyro

from gait.errors import PackError
from gait.modality import Modality
from gait.sustech1k import write_sequence
from tests.dataset import pack_all
from train.baseline import evaluate_pixels, main, mean_occupancy
from train.data.pack import Pack
from train.data.packing import pack_dataset, reader
from train.protocols.result import ProtocolResult


def test_mean_occupancy_of_a_silhouette_is_its_mean_value() -> None:
    frames = np.zeros((4, 1, 64, 64), np.uint8)
    frames[0, 0, 5, 7] = 255
    frames[1, 0, 5, 7] = 51
    parts = mean_occupancy(frames, Modality.SILHOUETTE)
    assert parts.shape == (16, 256)
    assert parts.dtype == np.float32
    assert parts[1, 64 + 7] == pytest.approx((1 + 0.2) / 4)  # row 5 is row 1 of strip 1
    assert parts.sum() == parts[1, 64 + 7]


def test_mean_occupancy_of_a_range_view_counts_what_is_not_black() -> None:
    frames = np.zeros((4, 3, 64, 64), np.uint8)
    frames[0, 0, 63, 0] = 255
    frames[2, :, 63, 0] = 1
    parts = mean_occupancy(frames, Modality.RANGE_VIEW)
    assert parts[15, 3 * 64] == pytest.approx(2 / 4)
    assert parts.sum() == parts[15, 3 * 64]


def _people(root: Path, train: int = 0) -> Path:
    """Eight people of different outlines, the same in both modalities, every walk a little off."""
    rng = np.random.default_rng(0)
    for subject in range(8):
        width, shoulder = 6 + 2 * subject, 10 + 5 * subject
        for type in ("00-nm", "01-nm", "01-bg"):
            for view in ("000", "090", "180"):
                masks = np.zeros((6, 64, 64), np.uint8)
                masks[:, :shoulder, 28:36] = 255
                masks[:, shoulder:, 32 - width // 2 : 32 + width // 2] = 255
                masks[rng.random(masks.shape) < 0.05] = 0
                write_sequence(
                    *(root, f"{subject:04d}", type, view),
                    silhouettes=masks,
                    range_views=np.repeat(masks[:, None] // 2, 3, axis=1),
                )
    ids = [f"{subject:04d}" for subject in range(8)]
    lists = {"TRAIN_SET": ids[:train] or ["x"], "TEST_SET": ids[train:] or ["x"]}
    (root / "partition.json").write_text(json.dumps(lists))
    (root / "simulation.json").write_text("{}")
    return root


def test_people_of_different_outlines_are_found_across_modalities(tmp_path: Path) -> None:
    pack_all(_people(tmp_path / "data"))
    result = evaluate_pixels(Pack.open(tmp_path / "pack"), bootstrap=20)
    assert result.simulated
    for modality in Modality:
        score = result.score(probe=modality, gallery=modality.counterpart)
        assert (score.value, score.probes) == (100.0, 8 * 2 * 3)


def test_only_test_subjects_count(tmp_path: Path) -> None:
    pack_all(_people(tmp_path / "data", train=3))
    result = evaluate_pixels(Pack.open(tmp_path / "pack"), bootstrap=20)
    score = result.score(probe=Modality.SILHOUETTE, gallery=Modality.RANGE_VIEW)
    assert score.probes == 5 * 2 * 3


def test_a_pack_without_test_sequences_is_refused(tmp_path: Path) -> None:
    pack_all(_people(tmp_path / "data", train=8))
    with pytest.raises(PackError, match="no test sequences"):
        evaluate_pixels(Pack.open(tmp_path / "pack"))


def test_freegait_goes_by_its_lists(tmp_path: Path) -> None:
    root = _people(tmp_path / "data")
    names = [f"{s:04d}-{t}-000" for t in ("00-nm", "01-nm") for s in range(8)]
    lists = json.loads((root / "partition.json").read_text())
    lists |= {"GALLERY_SET": names[:8], "PROBE_SET": names[8:]}
    (root / "partition.json").write_text(json.dumps(lists))
    out = tmp_path / "pack"
    pack_dataset(root, root / "partition.json", out, layout="freegait", read=reader("sustech1k"))
    result = evaluate_pixels(Pack.open(out), bootstrap=20)
    score = result.score(probe=Modality.RANGE_VIEW, gallery=Modality.SILHOUETTE)
    assert (result.protocol, score.value, score.probes) == ("FreeGait", 100.0, 8)


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack_all(_people(tmp_path / "data"))
    out = tmp_path / "baseline.json"
    arguments = ["baseline", str(tmp_path / "pack"), "--bootstrap", "20", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    tyro.cli(main)
    table = capsys.readouterr().out
    assert "SUSTech1K protocol, simulated" in table
    assert "Overall" in table
    assert ProtocolResult.from_json(out.read_bytes()).simulated
    monkeypatch.setattr(sys, "argv", [*arguments, "--json"])
    tyro.cli(main)
    assert ProtocolResult.from_json(capsys.readouterr().out).simulated
