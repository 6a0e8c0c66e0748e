import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock
from pydantic import ValidationError

from gait.errors import ConfigError, LayoutError
from gait.lidar import KNOWN
from gait.range_view import Forward, steps_of
from gait.sustech1k import find_sequences, load_range_views, load_silhouettes
from train.simulate.config import SimulateConfig
from train.simulate.preview import draw_preview
from train.simulate.run import simulate


def small(**options: object) -> SimulateConfig:
    chosen: dict[str, object] = {
        "subjects": 3,
        "conditions": ("nm", "cr-uf"),
        "views": ("000", "090-near"),
        "frames": 8,
        "body": "capsules",
    }
    return SimulateConfig.model_validate(chosen | options)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(small(), tmp_path_factory.mktemp("data") / "walkers", workers=1)


def test_the_layout_is_sustech1ks(walkers: Path) -> None:
    sequences = find_sequences(walkers)
    assert {s.subject for s in sequences} == {"0000", "0001", "0002"}
    assert {s.type for s in sequences} == {"00-nm", "01-nm", "01-cr-uf"}
    assert len(sequences) == 3 * 3 * 2
    for sequence in sequences:
        lengths = {
            len(load_silhouettes(sequence)),
            len(load_range_views(sequence)),
            len(pickle.loads(next(sequence.folder.glob("08-*.pkl")).read_bytes())),  # noqa: S301
        }
        assert lengths == {8}
    partition = json.loads((walkers / "partition.json").read_text())
    assert partition == {"TRAIN_SET": ["0000", "0001"], "TEST_SET": ["0002"]}
    record = json.loads((walkers / "simulation.json").read_text())
    assert record["simulated"] is True
    assert record["arguments"]["frames"] == 8


def test_the_bytes_do_not_depend_on_the_workers(walkers: Path, tmp_path: Path) -> None:
    assert digests(simulate(small(), tmp_path / "again", workers=3)) == digests(walkers)


def test_people_are_simulated_before_ones_own_lidar(walkers: Path, tmp_path: Path) -> None:
    """By name or description; studio walks stay, and so does all without a word of it."""
    assert "lidar" not in SimulateConfig().arguments
    own = tmp_path / "own.yaml"
    elevations = list(KNOWN["hesai-xt32"].elevations or ())
    own.write_text(f"elevations: {elevations}\nazimuth_step: 0.18\nnoise: 0.01\n")
    named, described = small(lidar="hesai-xt32", studio_walks=1), small(lidar=str(own))
    assert named.arguments["lidar"] == described.arguments["lidar"]
    simulate(named, tmp_path / "named", workers=1)
    for walk, step in (("00-nm", 1.0), ("02-nm", 0.2)):
        file = next((tmp_path / "named" / "0000" / walk / "000").glob("08-*.pkl"))
        clouds = pickle.loads(file.read_bytes())  # noqa: S301
        steps = steps_of(clouds, Forward.MINUS_X)
        assert steps is not None
        assert steps[0] == pytest.approx(step, abs=0.02)
    both = [tmp_path / "named", simulate(described, tmp_path / "described", workers=1)]
    first, second = (digests(root / "0000" / "00-nm") for root in both)
    assert first == second
    assert first != digests(walkers / "0000" / "00-nm")
    drawn = simulate(small(lidar="hesai-xt32", sensors="drawn"), tmp_path / "drawn", workers=1)
    assert digests(drawn / "0000" / "00-nm") != first
    with pytest.raises(ConfigError, match="got sensor 'lidar9000'"):
        small(lidar="lidar9000")


def test_a_sequence_is_the_same_whatever_else_is_simulated(walkers: Path, tmp_path: Path) -> None:
    one = small(subjects=1, conditions=("cr-uf",), views=("000",), points=False)
    less, more = digests(simulate(one, tmp_path / "less", workers=1)), digests(walkers)
    shared = [name for name in less if name.endswith(".pkl")]
    assert len(shared) == 2 * 2
    assert all(more[name] == less[name] for name in shared)


def test_another_seed_gives_other_people(walkers: Path, tmp_path: Path) -> None:
    other = digests(simulate(small(subjects=1, seed=1), tmp_path / "other", workers=1))
    these = digests(walkers)
    assert all(these[name] != other[name] for name in other if name.endswith(".pkl"))


def test_finished_subjects_are_not_made_again(walkers: Path, tmp_path: Path) -> None:
    out = shutil.copytree(walkers, tmp_path / "copy")
    untouched = next((out / "0000").rglob("*.pkl")).stat().st_mtime_ns
    shutil.rmtree(out / "0001")
    (out / ".staging" / "0001" / "00-nm").mkdir(parents=True)
    simulate(small(), out, workers=1)
    assert digests(out) == digests(walkers)
    assert next((out / "0000").rglob("*.pkl")).stat().st_mtime_ns == untouched
    assert not (out / ".staging").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    views = ("000", "045", "090", "180")
    config = small(subjects=6, views=views, frames=20)
    whole = digests(simulate(config, tmp_path / "whole", workers=2))
    out = tmp_path / "killed"
    options = "--body capsules --subjects 6 --conditions nm cr-uf --frames 20 --workers 2 --views"
    process = subprocess.Popen(
        [sys.executable, "-m", "train.simulate", "--out", str(out), *options.split(), *views],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (out / ".staging" / "0001").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert digests(out) != whole
    simulate(config, out, workers=2)
    assert digests(out) == whole


def test_a_folder_of_another_simulation_is_refused(walkers: Path) -> None:
    with pytest.raises(LayoutError, match="frames: 8 → 9"):
        simulate(small(frames=9), walkers)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(LayoutError, match="not empty"):
        simulate(small(), tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text("{")
    with pytest.raises(LayoutError, match="damaged"):
        simulate(small(), tmp_path)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(LayoutError, match="being written"):
        simulate(small(), tmp_path)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"conditions": ("nm", "xx")}, "need one of"),
        ({"views": ("001",)}, "need one of"),
        ({"views": ("000", "000")}, "all different"),
        ({"distance": (9.0, 5.0)}, "MIN < MAX"),
        ({"distance": (1.0, 5.0)}, "MIN < MAX"),
        ({"train": 4}, "only 3 subjects"),
        ({"walks": 9, "studio_walks": 92}, "100 at most"),
        ({"frame": 8}, "Extra inputs"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        small(**options)


def test_types_have_a_gallery_walk_and_all_conditions_later() -> None:
    types = ("00-nm", "01-nm", "01-ub", "02-nm", "02-ub")
    assert small(walks=3, conditions=("nm", "ub")).types == types
    more = small(walks=3, conditions=("nm", "ub"), studio_walks=2)
    assert more.types == (*types, "03-nm", "04-nm")


def test_a_preview_is_a_picture(tmp_path: Path) -> None:
    draw_preview(small(subjects=1), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
