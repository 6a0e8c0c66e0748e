"""Walkers are made once, found again by what they are, and made whole after an interruption."""

from pathlib import Path

import pytest

from bench.sensors.variants import CAMERAS
from bench.sensors.walks import PROBE, walks
from gait.errors import StorageError
from train.data import walkers
from train.data.pack import INDEX
from train.data.walkers import walkers_folder, walkers_pack
from train.simulate.config import VERSION, SimulateConfig

CONFIG = SimulateConfig.model_validate(
    {
        "subjects": 2,
        "train": 1,
        "conditions": ["nm"],
        "views": ["000", "090"],
        "frames": 2,
        "body": "capsules",
        "points": False,
    }
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_folder_is_the_configuration() -> None:
    same = SimulateConfig.model_validate(CONFIG.model_dump(mode="json"))
    assert walkers_folder(same) == walkers_folder(CONFIG)
    other = CONFIG.model_copy(update={"seed": 1})
    assert walkers_folder(other) != walkers_folder(CONFIG)


def test_walkers_of_an_older_simulator_are_not_taken_for_todays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = walkers_folder(CONFIG)
    monkeypatch.setattr("train.data.walkers.VERSION", VERSION - 1)
    assert walkers_folder(CONFIG) != now


def test_walks_of_a_benchmark_are_kept_whole_and_by_the_simulator_that_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = walks(CAMERAS["16 rows"], "16 rows", PROBE, 1, tmp_path)
    again, *_ = walks(CAMERAS["16 rows"], "16 rows", PROBE, 1, tmp_path)
    assert [len(clip) for clip in again] == [len(clip) for clip in first]
    assert len(list(tmp_path.iterdir())) == 1

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.sensors.walks.VERSION", VERSION + 1)
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        with pytest.raises(StorageError):
            walks(CAMERAS["16 rows"], "16 rows", PROBE, 1, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    walks(CAMERAS["16 rows"], "16 rows", PROBE, 1, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_walkers_are_made_once_and_finished_if_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(walkers, "pack_dataset", interrupted)
        with pytest.raises(KeyboardInterrupt):
            walkers_pack(CONFIG)
    pack = walkers_pack(CONFIG)
    assert pack.simulated
    assert {(r.subject, r.type, r.view) for r in pack.records} == {
        (subject, kind, view)
        for subject in ("0000", "0001")
        for kind in ("00-nm", "01-nm")
        for view in ("000", "090")
    }
    made = (pack.path / INDEX).stat().st_mtime_ns
    assert (walkers_pack(CONFIG).path / INDEX).stat().st_mtime_ns == made
