"""How the likeness of drawn and recorded walkers is judged."""

import json
import sys

import numpy as np
import pytest
import tyro

import bench.gait_likeness
from bench.gait_likeness import PIXELS, area, film, learn, main, score
from tests.recorded_walks import CMU_WALKS, needs_cmu_walks
from train.simulate.identity import stylist
from train.simulate.movement.walking import stand


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    recorded, drawn = (np.round(rng.normal(0, 2, n)).astype(np.float32) for n in (20, 30))
    pairs = [(r > d) + 0.5 * (r == d) for r in recorded for d in drawn]
    assert area(recorded, drawn) == pytest.approx(np.mean(pairs))


def test_the_network_tells_walking_from_standing_and_not_walking_from_walking() -> None:
    rng = np.random.default_rng(0)
    walking = film(lambda body, rng: stylist(body, rng)(1, 10, rng), 200, rng)
    standing = film(lambda *_: stand(10, 10.0), 100, rng)
    assert walking.shape == (200, 10, PIXELS, PIXELS)
    network = learn(walking[:60], standing[:60], seed=0)
    assert area(score(network, walking[60:100]), score(network, standing[60:])) > 0.95
    network = learn(walking[:60], walking[60:120], seed=0)
    # Of 40 by 40 clips alike, the area is 0.5 ± 0.065: three in a thousand are beyond 0.3 to 0.7.
    assert 0.3 < area(score(network, walking[120:160]), score(network, walking[160:])) < 0.7


@needs_cmu_walks
def test_every_fold_of_both_kinds_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["gait_likeness", str(CMU_WALKS), "--clips", "8", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(bench.gait_likeness, "FOLDS", 2)
    tyro.cli(main)
    found = json.loads(capsys.readouterr().out)
    assert {kind: len(areas) for kind, areas in found.items()} == {"curves": 2, "statistics": 2}
