"""The bench of open-set identification, on made-up embeddings kept where it keeps its own."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import bench.decision_cost
import bench.open_set
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
