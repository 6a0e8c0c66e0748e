"""Walkers are made once, found again by what they are, and made whole after an interruption."""

from pathlib import Path

import pytest

from train.data import walkers
from train.data.pack import INDEX
from train.data.walkers import walkers_folder, walkers_pack
from train.simulate.config import SimulateConfig

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
