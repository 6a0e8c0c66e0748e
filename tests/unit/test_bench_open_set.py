"""The bench of open-set identification, on made-up embeddings kept where it keeps its own."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import bench.decision_cost
import bench.open_set
from gait.errors import ConfigError
from gait.manifest import Manifest
from tests.galleries import TINY, bundle_with_cohort
from tests.walking_people import labelled


def test_what_a_decision_costs_is_measured_with_a_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundle_with_cohort(tmp_path / "bundle")
    command = ["bench.decision_cost", "--bundle", str(bundle), "--people", "50", "--searches", "3"]
    monkeypatch.setattr(sys, "argv", [*command, "--json"])
    bench.decision_cost.main()
    facts = json.loads(capsys.readouterr().out)
    assert facts["cohort"] == 24
    assert set(facts["milliseconds"]) == {"plain", "normalised", "decided"}
    assert facts["more"]["plain"] == 0


def test_rates_are_measured_on_people_who_did_not_calibrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = Manifest.load(TINY).contract
    file = tmp_path / bench.open_set.embeddings_of(Path("none"), contract)
    assert file.name != bench.open_set.embeddings_of(Path("others"), contract)
    clips = labelled(150, clips=2)
    np.savez(file, **{name: getattr(clips, name) for name in bench.open_set.COLUMNS})
    command = ["bench.open_set", "--bundle", str(TINY), "--dataset", "none", "--out", str(tmp_path)]
    command += ["--calibration-people", "60", "--templates", "2", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", command)
    bench.open_set.main()
    assert "silhouette  mixed" in capsys.readouterr().out
    facts = json.loads((tmp_path / "open_set.json").read_text("utf-8"))
    assert (facts["calibration"]["people"], facts["measured_people"]) == (60, 90)
    rows = [row for row in facts["rows"] if row["templates"] == 2 and row["target"] == 0.1]
    inside = [row for row in rows if row["size"] < 90]
    assert {row["size"] for row in inside} == {10, 20, 40, 80}
    assert sum(row["both_hold"] for row in inside) >= len(inside) - 4
    assert all(row["both_low"] <= row["low"] <= row["realised"] for row in inside)
    beyond = [row for row in rows if row["size"] == 160]
    assert beyond
    assert all(row["realised"] is None and row["source"] == "tail" for row in beyond)
    assert all(0 <= row["fnir"] <= 100 for row in beyond)
    refused = [row for row in facts["rows"] if row["target"] == 0.001 and row["size"] == 80]
    assert refused
    assert all(row["realised"] is None and row["best_fnir"] >= 0 for row in refused)
    for name in ("trade_off", "sizes", "realised", "templates_and_quality"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert set(facts["found_by_sensor"]["silhouette"]) == {"silhouette", "range_view"}


FILES = {
    "range_view": "09-sync-{view}-LiDAR-PCDs_depths.pkl",
    "silhouette": "14-sync-{view}-Camera-Sils_aligned.pkl",
}


def test_people_may_be_looked_for_from_views_they_are_not_enrolled_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe whose own view is enrolled is easier to find: here a view decides half of a clip."""
    tree, clips = tmp_path / "tree", labelled(90, clips=2)
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, 16)) / 5
    views = np.tile(["000", "090"], len(clips.subjects) // 2)
    clips.embeddings[:] += sides[(views == "090").astype(int)].astype(np.float32)
    clips.embeddings[:] /= np.linalg.norm(clips.embeddings, axis=1, keepdims=True)
    columns = zip(clips.subjects, clips.sessions, views, clips.modalities, strict=True)
    for subject, session, view, modality in columns:
        folder = tree / subject / session / view
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILES[modality].format(view=view)).write_bytes(b"")
    file = tmp_path / bench.open_set.embeddings_of(tree, Manifest.load(TINY).contract)
    order = np.lexsort((clips.modalities == "silhouette", views, clips.sessions, clips.subjects))
    np.savez(file, **{name: getattr(clips, name)[order] for name in bench.open_set.COLUMNS})
    command = ["bench.open_set", "--bundle", str(TINY), "--dataset", str(tree)]
    command += ["--out", str(tmp_path), "--calibration-people", "50", "--templates", "1"]
    found = {}
    for probed in ((), ("--probed-views", "090")):
        monkeypatch.setattr(sys, "argv", [*command, *probed])
        bench.open_set.main()
        facts = json.loads((tmp_path / "open_set.json").read_text("utf-8"))
        found[probed] = [r["best_fnir"] for r in facts["rows"] if r["size"] == 10]
        assert facts["probed_views"] == list(probed[1:])
    assert sum(found[()]) < sum(found["--probed-views", "090"])
    for wrong, message in (("045", "no clip is of view 045"), ("000 090", "every view is probed")):
        monkeypatch.setattr(sys, "argv", [*command, "--probed-views", *wrong.split()])
        with pytest.raises(ConfigError, match=message):
            bench.open_set.main()
