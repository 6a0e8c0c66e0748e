"""Calibrations: thresholds that keep their rates on other people, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from gait.errors import CalibrationError
from gait.modality import Modality
from gait.open_set import fpir
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import (
    Compared,
    LabelledClips,
    calibrate,
    compared,
    sizes,
)
from tests.walking_people import labelled

CONTRACT = "c" * 32
PROBE = Modality.SILHOUETTE


def made(clips: LabelledClips) -> Calibration:
    return calibrate(clips, contract=CONTRACT, simulated=True, data="made up")


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return made(labelled(120))


def test_every_pair_is_calibrated_at_every_size(calibration: Calibration) -> None:
    found = {(p.probe, p.enrolled, p.templates) for p in calibration.pairs}
    ways = ("silhouette", "range_view", "mixed")
    assert found == {(m, way, t) for m in Modality for way in ways for t in (1, 2, 4)}
    assert all([c.size for c in p.curves] == sizes(120) for p in calibration.pairs)
    assert sizes(120) == [1, 2, 5, 10, 20, 40, 60]


@pytest.mark.parametrize("rate", [0.1, 0.05])
@pytest.mark.parametrize("size", [1, 10, 30, 60])
def test_a_threshold_keeps_its_rate_on_people_never_seen(
    calibration: Calibration, rate: float, size: int
) -> None:
    threshold = calibration.pair(PROBE, "range_view", 2).threshold(rate, size)
    others = compared(labelled(600, seed=5), PROBE, "range_view", 2)
    best, _ = others.drawn(np.random.default_rng(0))
    realised = fpir(best[:, size - 1], threshold.similarity)
    assert threshold.low <= threshold.similarity <= threshold.high
    low, high = fpir(best[:, size - 1], [threshold.high, threshold.low])
    assert low - 0.02 <= rate <= high + 0.03  # one more stranger of 120 is counted
    assert threshold.low < threshold.high
    assert 0.3 * rate < realised < 2 * rate


def test_thresholds_rise_with_the_gallery_and_as_rates_fall(calibration: Calibration) -> None:
    pair = calibration.pair(PROBE, "mixed", 4)
    by_size = [pair.threshold(0.05, size).similarity for size in (1, 3, 10, 33, 60, 90, 200)]
    by_rate = [pair.threshold(rate, 40).similarity for rate in (0.3, 0.1, 0.02, 0.01, 0.005)]
    assert by_size == sorted(by_size)
    assert by_rate == sorted(by_rate)
    assert by_size[0] < by_size[-1]
    assert by_rate[0] < by_rate[-1]


def test_beyond_the_data_the_tail_is_said(calibration: Calibration) -> None:
    pair = calibration.pair(PROBE, "mixed", 4)
    assert pair.threshold(0.01, 60).source == "data"
    assert pair.threshold(0.002, 60).source == "tail"
    assert pair.threshold(0.05, 61).source == "tail"


def test_beyond_the_tail_is_refused_with_the_people_it_would_take(
    calibration: Calibration,
) -> None:
    with pytest.raises(CalibrationError, match="calibrate on 446 or more") as refused:
        calibration.pair(PROBE, "mixed", 4).threshold(0.01, 10_000)
    assert refused.value.fields == {"people": 120, "needed": 446}


def test_templates_are_rounded_up(calibration: Calibration) -> None:
    wanted = [calibration.pair(PROBE, "silhouette", n).templates for n in (1, 1.1, 2, 3, 9)]
    assert wanted == [1, 2, 2, 4, 4]


def test_a_calibration_survives_its_text(calibration: Calibration) -> None:
    again = Calibration.parse(calibration.text, CONTRACT)
    assert again == calibration
    assert again.sha256 == calibration.sha256
    with pytest.raises(CalibrationError, match=r"of model c+, not of d"):
        Calibration.parse(calibration.text, "d" * 32)
    with pytest.raises(CalibrationError, match="not a calibration"):
        Calibration.parse("{}", CONTRACT)


def test_the_same_clips_give_the_same_calibration() -> None:
    assert made(labelled(45)) == made(labelled(45))


def test_too_few_people_are_refused() -> None:
    with pytest.raises(CalibrationError, match="got clips of 39 people, need 40"):
        made(labelled(39))


def test_one_sensor_alone_calibrates_its_own_pair() -> None:
    clips = labelled(45)
    kept = clips.modalities == Modality.RANGE_VIEW
    one = clips.only(kept)
    calibration = made(one)
    assert {(p.probe, p.enrolled) for p in calibration.pairs} == {("range_view", "range_view")}
    with pytest.raises(CalibrationError, match="no silhouette clips of people enrolled by mixed"):
        calibration.pair(PROBE, "mixed", 1)


def test_probes_are_of_other_walks_than_templates() -> None:
    clips = labelled(3)
    assert clips.later().tolist() == (clips.sessions == "01").tolist()


def test_a_draw_is_that_of_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    whose = np.array([0, 0, 1, 2, 2, 3])
    one = Compared(whose, rng.random((6, 4)), np.full(4, "silhouette"))
    best, own = one.drawn(np.random.default_rng(7))
    for person in range(4):
        rows = np.flatnonzero(whose == person)
        row = next(r for r in rows if one.similarities[r, person] == own[person])
        others = np.delete(one.similarities[row], person)
        assert best[person, -1] == others.max()
        assert set(best[person]) <= set(others)
        assert best[person].tolist() == sorted(best[person])


def test_the_mixed_gallery_has_half_of_the_people_by_each_sensor() -> None:
    clips = labelled(40, spread=0.0)
    marked = clips.embeddings.copy()
    marked[clips.modalities == "range_view"] *= 0.5
    half = LabelledClips(clips.subjects, clips.sessions, clips.modalities, marked)
    one = compared(half, PROBE, "mixed", 2)
    own = one.similarities[np.arange(len(one.whose)), one.whose]
    people = np.unique(one.whose[own < 0.75])
    assert people.tolist() == np.flatnonzero(one.enrolled_by == "range_view").tolist()
    assert len(people) == 20


def test_people_of_one_walk_by_name_are_refused_with_that_name() -> None:
    clips = labelled(60)
    same = replace(clips, sessions=np.full_like(clips.sessions, "wa"))
    with pytest.raises(CalibrationError, match=r"0 people have two, and there are 1 walks.*\(wa\)"):
        made(same)
