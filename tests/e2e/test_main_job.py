"""The promise: trained on simulated walkers, exported, enrolled by one sensor, found by the other.

Trains the demo preset from nothing, which takes some minutes. The thresholds are below what was
measured (results/trials.md) by more than the intervals there, so that a failure means something.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gait.modality import Modality
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.protocols.result import ProtocolResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
ENROLLED = ("045", "135", "225", "315")
PROBED = ("090", "270")


def run(folder: Path, module: str, *arguments: str) -> str:
    """Runs a command of the project in a folder; returns what it prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run of the demo preset and its bundle."""
    folder = tmp_path_factory.mktemp("main_job")
    run(folder, "train.run", "demo", "--out", "run", "--run.threads", "1")  # beside other tests
    run(folder, "export.onnx", "run/best.pt", "--out", "bundle")
    yield folder
    shutil.rmtree(folder)  # 1.5 GB


@pytest.mark.parametrize("probe", Modality)
def test_unseen_people_are_found_across_sensors(trained: Path, probe: Modality) -> None:
    """The issue's target: Rank-1 of at least 85 % on at least 32 unseen people, both directions."""
    result = ProtocolResult.from_json((trained / "run" / "results.json").read_text())
    score = result.score(probe=probe, gallery=probe.counterpart, condition="Normal")
    assert score.subjects >= 32
    assert score.value >= 85


def test_the_service_finds_them_too(trained: Path) -> None:
    """Four views enrolled, two others probed, another walk, over HTTP."""
    for direction in end_to_end(trained, "--checkpoint", "run/best.pt"):
        assert direction["simulated"] is True
        assert direction["people"] >= 32
        assert direction["rank1"][0] >= 80
        assert direction["rank5"][0] >= 95
    assert "simulated" in (trained / "found" / "found.html").read_text("utf-8")


@needs_cmu_walks
def test_people_with_recorded_motion_are_found_among_simulated_ones(trained: Path) -> None:
    """Eleven recorded walkers, the bodies simulated, among 100 simulated people.

    The model has never seen recorded motion. Measured: Rank-1 45 and 64 %, Rank-5 86 and 91 %, each
    of 22 probes, so the intervals are some 25 points to either side; chance is 0.9 and 4.5 %.
    """
    views = [*ENROLLED, *PROBED]
    options = ["--subjects", "100", "--train", "0", "--conditions", "nm", "--frames", "16"]
    options += ["--motion", str(CMU_WALKS), "--seed", "1000", "--no-points", "--out", "recorded"]
    run(trained, "train.simulate", *options, "--views", *views)
    found = end_to_end(trained, "--dataset", "recorded", "--probes", "mocap-*")
    for direction in found:
        assert direction["people"] == 111
        assert direction["probes"] == 11 * len(PROBED)
        assert direction["rank1"][0] >= 10
        assert direction["rank5"][0] >= 40


def end_to_end(trained: Path, *arguments: str) -> list[dict[str, Any]]:
    """Both directions through the service."""
    out = "found" if "--checkpoint" in arguments else "found_recorded"
    printed = run(
        trained, "bench.end_to_end", "--bundle", "bundle", "--out", out, "--json", *arguments
    )
    directions: list[dict[str, Any]] = json.loads(printed)
    return directions
