"""Simulated people are told apart by what they are, and by nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gait.modality import Modality
from train.baseline import mean_occupancy
from train.data.pack import Pack
from train.data.packing import pack_dataset
from train.simulate.config import SimulateConfig
from train.simulate.identity import Carrier, Identity
from train.simulate.studio import Studio, Take, open_studio

PEOPLE = 16
VIEWS = ("000", "045", "090")
Film = Callable[[int, str, str], Take]


def pictures(take: Take, modality: Modality) -> np.ndarray:
    seen = take.sighting
    frames = seen.range_views if modality is Modality.RANGE_VIEW else seen.silhouettes[:, None]
    return mean_occupancy(frames, modality).ravel()


def found(film: Film, probe: Modality, gallery: Modality) -> int:
    """How many of 48 probes have their own subject as nearest mean picture of the same view."""
    hits = 0
    for view in VIEWS:
        rows = {}
        for type_, modality in (("01-nm", probe), ("00-nm", gallery)):
            mean = np.stack([pictures(film(k, type_, view), modality) for k in range(PEOPLE)])
            rows[type_] = mean - mean.mean(axis=0)
        gaps = ((rows["01-nm"][:, None] - rows["00-nm"][None]) ** 2).sum(axis=2)
        hits += int((gaps.argmin(axis=1) == np.arange(PEOPLE)).sum())
    return hits


def studio(carrier: Carrier = Carrier.BOTH) -> Studio:
    config = SimulateConfig(subjects=PEOPLE, body="capsules", identity=carrier, frames=16)
    return open_studio(config)


def filming(made: Studio, people: list[Identity]) -> Film:
    return cache(lambda index, type_, view: made.film(people[index], index, type_, view))


@pytest.mark.parametrize("carrier", [Carrier.BOTH, Carrier.MOTION])
def test_identity_crosses_sensors(carrier: Carrier) -> None:
    """By chance 3 of 48 are found; more than 9 happen with probability 0.0007."""
    made = studio(carrier)
    film = filming(made, [made.person(index) for index in range(PEOPLE)])
    assert found(film, Modality.SILHOUETTE, Modality.RANGE_VIEW) > 9
    assert found(film, Modality.RANGE_VIEW, Modality.SILHOUETTE) > 9


def test_identity_is_in_shape_alone_too() -> None:
    """Stick figures have little shape, enough for one sensor."""
    made = studio(Carrier.SHAPE)
    film = filming(made, [made.person(index) for index in range(PEOPLE)])
    assert found(film, Modality.SILHOUETTE, Modality.SILHOUETTE) > 9
    assert found(film, Modality.RANGE_VIEW, Modality.RANGE_VIEW) > 9


def test_without_identity_nobody_is_found() -> None:
    """One person under sixteen names: clothes, phase, view and noise must not tell names apart."""
    made = studio()
    film = filming(made, [made.person(0)] * PEOPLE)
    assert found(film, Modality.SILHOUETTE, Modality.RANGE_VIEW) <= 9
    assert found(film, Modality.SILHOUETTE, Modality.SILHOUETTE) <= 9


@pytest.mark.slow
def test_the_command_makes_a_dataset_that_packs(tmp_path: Path) -> None:
    """Real bodies; by chance 1 of 8 is found, at least 8 of 16 with probability 0.0004."""
    out = tmp_path / "walkers"
    options = "--subjects 8 --train 0 --conditions nm --views 000 090 --frames 16 --no-points"
    command = [sys.executable, "-m", "train.simulate", "--out", str(out), *options.split()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {"simulated": True, "dataset": str(out), "subjects": 8}
    partition = out / "partition.json"
    pack_dataset(out, partition, tmp_path / "pack", layout="sustech1k")
    pack = Pack.open(tmp_path / "pack")
    assert pack.simulated
    assert len(pack.records) == 8 * 2 * 2

    hits = 0
    for view in ("000", "090"):
        rows: dict[str, list[np.ndarray]] = {"00-nm": [], "01-nm": []}
        for record in pack.records:
            if record.view == view:
                modality = Modality.RANGE_VIEW if record.type == "00-nm" else Modality.SILHOUETTE
                mean = mean_occupancy(pack.frames(record, modality), modality)
                rows[record.type].append(mean.ravel())
        gallery, probes = (np.stack(rows[t]) - np.mean(rows[t], axis=0) for t in sorted(rows))
        gaps = ((probes[:, None] - gallery[None]) ** 2).sum(axis=2)
        hits += int((gaps.argmin(axis=1) == np.arange(8)).sum())
    assert hits >= 8
