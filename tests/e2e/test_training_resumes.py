"""A run killed at any moment, and started again, is the run that was never killed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gait.range_style import RangeStyle
from tests.packs import drawn_as, write_pack
from tests.training_setup import write_tiny_yaml
from train.checkpoint import load_checkpoint
from train.loop.training_run import LAST
from train.report.metrics_log import FILE, read_metrics

pytestmark = pytest.mark.slow

ITERATIONS = 120


class Place:
    """A preset, a pack, and runs of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.preset = write_tiny_yaml(
            folder,
            optim={"iterations": ITERATIONS},
            run={"checkpoint_every": 7, "validate_every": 50},
        )
        self.pack = write_pack(folder / "pack")

    def start(self, out: str, *more: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "train.run", str(self.preset), "--pack", str(self.pack)]
        return subprocess.Popen(
            [*words, "--out", str(self.folder / out), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, out: str, *more: str) -> str:
        process = self.start(out, *more)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def losses(self, out: str) -> list[dict[str, Any]]:
        return list(read_metrics(self.folder / out))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> list[dict[str, Any]]:
    place.finish("undisturbed")
    rows = place.losses("undisturbed")
    assert [row["iteration"] for row in rows if "total" in row] == list(range(1, ITERATIONS + 1))
    return rows


def wait_for_lines(process: subprocess.Popen[str], metrics: Path, count: int) -> None:
    while not metrics.exists() or len(metrics.read_bytes().splitlines()) < count:
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.002)


def test_kill_9_then_the_same_command(place: Place, undisturbed: list[dict[str, Any]]) -> None:
    # Any moment will do: no seed, so that every run of the tests tries another one.
    count = random.SystemRandom().randrange(1, 2 * ITERATIONS // 3)
    process = place.start("killed")
    wait_for_lines(process, place.folder / "killed" / FILE, count)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    saved = (place.folder / "killed" / LAST).exists()
    assert ("going on from iteration" in place.finish("killed")) == saved
    assert place.losses("killed") == undisturbed, f"killed after about {count} steps"


def test_a_polite_signal_saves_and_says_how_to_go_on(
    place: Place, undisturbed: list[dict[str, Any]]
) -> None:
    process = place.start("stopped")
    wait_for_lines(process, place.folder / "stopped" / FILE, 10)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    assert "go on with the same command" in said
    done = load_checkpoint(place.folder / "stopped" / LAST).iteration
    assert [row["iteration"] for row in place.losses("stopped")][-1] == done
    assert f"going on from iteration {done} " in place.finish("stopped")
    assert place.losses("stopped") == undisturbed


def test_other_settings_are_refused_by_name(
    place: Place, undisturbed: list[dict[str, Any]]
) -> None:
    before = (place.folder / "undisturbed" / LAST).read_bytes()
    process = place.start("undisturbed", "--optim.lr", "0.5", "--run.log-every", "9")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "optim.lr (0.003 → 0.5)" in said
    assert "log_every" not in said
    assert "--restart" in said
    assert (place.folder / "undisturbed" / LAST).read_bytes() == before


def test_range_views_of_the_other_style_are_refused(
    place: Place, undisturbed: list[dict[str, Any]]
) -> None:
    index = place.pack / "index.json"
    before = index.read_text()
    drawn_as(place.pack, RangeStyle.SCATTER)
    try:
        process = place.start("undisturbed")
        _, said = process.communicate(timeout=60)
    finally:
        index.write_text(before)
    assert process.returncode == 1
    assert "range views of style scatter" in said


def test_a_finished_run_only_evaluates_again(
    place: Place, undisturbed: list[dict[str, Any]]
) -> None:
    results = place.folder / "undisturbed" / "results.json"
    before = json.loads(results.read_text())
    results.unlink()
    assert f"going on from iteration {ITERATIONS}" in place.finish("undisturbed")
    assert json.loads(results.read_text()) == before
    assert place.losses("undisturbed") == undisturbed
